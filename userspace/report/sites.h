/* SPDX-License-Identifier: BSD-2-Clause */
/* What is live in a heap, added up by who allocated it: all that is kept of a process that has
 * ended. */
#ifndef SITES_H
#define SITES_H

#include <stddef.h>
#include <stdint.h>

#include "heap/heap.h"
#include "heap/stacks.h"
#include "report/block_filter.h"
#include "report/costs.h"

/* The live blocks of one stack and one function. */
struct site {
	uint32_t stack; /* index; two sites may have the same */
	uint16_t func;
	uint16_t pad;
	struct amount live;
	uint64_t oldest_at_ns, newest_at_ns; /* when they were allocated */
};

struct sites {
	struct site *all;
	size_t nr, capacity;
	struct amount live; /* sum */
};

/* Adds up the blocks that pass the filter, as they are at end_ns. To be given to sites__clear. */
struct sites sites__count(const struct heap *heap, const struct stacks *stacks, uint64_t end_ns,
			  const struct block_filter *filter);
void sites__clear(struct sites *sites);

#endif /* SITES_H */
