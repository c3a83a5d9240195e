// SPDX-License-Identifier: BSD-2-Clause
/* A plugin that has an allocator inside, by the names of mimalloc, beside the program's. Never reuses. */
#include <stddef.h>
#include <stdlib.h>

static char pool[1 << 20];
static size_t used;

void *mi_malloc(size_t bytes)
{
	void *block = pool + used;

	used += (bytes + 31) & ~(size_t)15;
	return block;
}

void mi_free(void *block)
{
	(void)block;
}

/* 100 blocks of 24 bytes of its own and one of the C library's; 40 are given back. */
void work(void)
{
	for (int i = 0; i < 100; i++) {
		void *block = mi_malloc(24);

		if (i % 5 < 2)
			mi_free(block);
	}
	(void)!malloc(70);
}
