/* SPDX-License-Identifier: BSD-2-Clause */
/* An allocator that may be called, and left, at any time: it only ever adds to one number. For handlers.c,
 * and to have somebody else's allocator below heaptap's. Blocks are reused after 64 MB. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define POOL_BYTES (64u << 20)

static char pool[POOL_BYTES] __attribute__((aligned(16)));
static uint32_t used;

void *malloc(size_t bytes)
{
	uint32_t need = (uint32_t)((bytes + 31) & ~(size_t)15);
	uint32_t at = __atomic_fetch_add(&used, need, __ATOMIC_RELAXED) % POOL_BYTES;

	if (bytes > POOL_BYTES / 2)
		return NULL;
	if (at + need > POOL_BYTES)
		at = 0;
	*(size_t *)(pool + at) = bytes;
	return pool + at + 16;
}

void free(void *block)
{
	(void)block;
}

void *calloc(size_t count, size_t bytes)
{
	void *block = malloc(count * bytes);

	return block ? memset(block, 0, count * bytes) : NULL;
}

void *realloc(void *old, size_t bytes)
{
	void *block = malloc(bytes);
	size_t before = old ? *(size_t *)((char *)old - 16) : 0;

	return block && old ? memcpy(block, old, before < bytes ? before : bytes) : block;
}
