// SPDX-License-Identifier: BSD-2-Clause
#include "report/freed.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/hash.h"

/* Blocks begin at multiples of 16. */
#define ALIGN_BITS 4
/* Neighbours in memory are neighbours in the table, within so many places. */
#define NEAR_BITS 12

_Static_assert(sizeof(struct freed) == 32, "size of an entry");

struct freed *freed__new(unsigned bits)
{
	size_t size = sizeof(struct freed) << bits;
	void *table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (table == MAP_FAILED)
		return NULL;
	/* It is touched all over, and a page of 4 KiB has few of its entries. */
	madvise(table, size, MADV_HUGEPAGE);
	return table;
}

void freed__free(struct freed *table, unsigned bits)
{
	if (table)
		munmap(table, sizeof(struct freed) << bits);
}

struct freed *freed__place(struct freed *table, unsigned bits, uint32_t heap, uint64_t addr)
{
	uint64_t far = hash__u64(addr >> (ALIGN_BITS + NEAR_BITS) ^ (uint64_t)heap << 32);
	uint64_t near = addr >> ALIGN_BITS & ((1u << NEAR_BITS) - 1);

	return &table[(far << NEAR_BITS | near) & (((uint64_t)1 << bits) - 1)];
}
