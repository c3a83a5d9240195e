// SPDX-License-Identifier: BSD-2-Clause
/*
 * Allocators of a program's own, that no table knows: a slab whose handle comes first, and an arena on
 * mapped memory, tallied. Its own functions are static but for the slab's; nothing of malloc is used.
 *   arena
 */
#include <stdint.h>
#include <sys/mman.h>

#include "tally.h"

#define NOIPA __attribute__((noipa))
#define SLAB_BYTES 128
#define NR_SLAB 64

struct slab {
	void *free[NR_SLAB];
	unsigned nr_free;
};

static char *memory;
static size_t used;

static NOIPA void *arena_alloc(size_t count, size_t bytes)
{
	size_t at = used;

	if (count * bytes > (1 << 20) - used)
		return NULL;
	used += (count * bytes + 15) & ~(size_t)15;
	return memory + at;
}

static NOIPA void arena_free(void *addr)
{
	*(char *)addr = 0;
}

NOIPA int slab_get(struct slab *slab, void **out, size_t bytes)
{
	if (!slab->nr_free || bytes > SLAB_BYTES)
		return -1;
	*out = slab->free[--slab->nr_free];
	return 0;
}

NOIPA void slab_put(struct slab *slab, void *addr)
{
	slab->free[slab->nr_free++] = addr;
}

static void use_arena(void)
{
	void *block = arena_alloc(10, 10);

	MUST(block);
	tally_allocated(100);
	arena_free(block);
	tally_freed(100);
	MUST(arena_alloc(3, 7));
	tally_allocated(21);
	MUST(!arena_alloc(2, 1 << 20));
	tally_failed();
}

static void use_slab(struct slab *slab)
{
	void *blocks[3];

	for (int i = 0; i < 3; i++) {
		MUST(!slab_get(slab, &blocks[i], 100 + i));
		tally_allocated(100 + i);
	}
	slab_put(slab, blocks[1]);
	tally_freed(101);
	MUST(slab_get(slab, &blocks[1], SLAB_BYTES + 1));
	tally_failed();
}

int main(void)
{
	static struct slab slab;

	memory = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(memory != MAP_FAILED);
	while (slab.nr_free < NR_SLAB) {
		slab.free[slab.nr_free] = memory + (1 << 20) + slab.nr_free * SLAB_BYTES;
		slab.nr_free++;
	}
	use_arena();
	use_slab(&slab);
	tally_print();
	return 0;
}
