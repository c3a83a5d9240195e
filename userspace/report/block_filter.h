/* SPDX-License-Identifier: BSD-2-Clause */
/* Which blocks count, by what is known of each: all that a report shows is of these. */
#ifndef BLOCK_FILTER_H
#define BLOCK_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "heap/heap.h"

struct block_filter {
	/* Of its stack; NULL: any (report/stack_filter.h). */
	bool (*wants)(const struct heap_block *block, void *data);
	void *data;
	uint64_t older_ns;		      /* at least so old at the end (or at --at) */
	uint64_t min_bytes, max_bytes;	      /* of the block itself; max 0: any */
	uint64_t born_from_ns, born_until_ns; /* CLOCK_MONOTONIC, the latter excluded; 0: any */
	uint32_t tid;			      /* that allocated it; 0: any */
};

/* Apart from its age at the end. */
static inline bool block_filter__passes(const struct block_filter *filter, const struct heap *heap,
					const struct heap_block *block)
{
	uint64_t bytes = heap_block__bytes(block);

	return bytes >= filter->min_bytes && (!filter->max_bytes || bytes <= filter->max_bytes) &&
	       block->time_ns >= filter->born_from_ns &&
	       (!filter->born_until_ns || block->time_ns < filter->born_until_ns) &&
	       (!filter->tid || heap__tid(heap, block) == filter->tid) &&
	       (!filter->wants || filter->wants(block, filter->data));
}

/* Of a call that made no block: that failed, or freed none. stack: its wire id. */
static inline bool block_filter__wants_call(const struct block_filter *filter, uint32_t stack,
					    uint16_t func)
{
	const struct heap_block none = { .stack = stack, .func = func };

	return !filter->wants || filter->wants(&none, filter->data);
}

/* Its age, too. */
static inline bool block_filter__passes_at(const struct block_filter *filter,
					   const struct heap *heap, const struct heap_block *block,
					   uint64_t end_ns)
{
	uint64_t age_ns = end_ns - (block->time_ns < end_ns ? block->time_ns : end_ns);

	return age_ns >= filter->older_ns && block_filter__passes(filter, heap, block);
}

#endif /* BLOCK_FILTER_H */
