/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hoard: 48 MiB of blocks of 4000 bytes, from a pool of its own that takes memory from the kernel
 * itself, then a while to be looked at. hoard malloc: the same by malloc. Waits two seconds.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POOL_BYTES (64u << 20)
#define BLOCK_BYTES 4000
#define NR_BLOCKS 12000

static char *pool;
static size_t used;

__attribute__((noinline)) void *hoard_alloc(size_t bytes)
{
	char *block;

	if (!pool)
		pool = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	block = pool + used;
	used += bytes;
	__asm__ volatile("" : : "r"(block) : "memory");
	return block;
}

__attribute__((noinline)) void hoard_free(void *block)
{
	__asm__ volatile("" : : "r"(block) : "memory");
}

int main(int argc, char **argv)
{
	void *(*take)(size_t) = argc > 1 ? malloc : hoard_alloc;

	sleep(1); /* until it has been seen with nothing */
	for (int i = 0; i < NR_BLOCKS; i++)
		memset(take(BLOCK_BYTES), 1, BLOCK_BYTES);
	hoard_free(take(1));
	sleep(2);
	return 0;
}
