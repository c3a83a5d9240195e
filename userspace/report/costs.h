/* SPDX-License-Identifier: BSD-2-Clause */
/* What a place in a program costs: the kinds of amounts that reports sort by and exports carry. */
#ifndef COSTS_H
#define COSTS_H

#include <stdint.h>

#include "heap/event.h"
#include "heap/heap.h"

/* Where only some allocations are recorded, of all that those stand for: an estimate. */
struct amount {
	uint64_t bytes, blocks;
};

enum cost {
	COST_LIVE,	/* live at the end */
	COST_PEAK,	/* live when most bytes of the process were */
	COST_TOTAL,	/* allocated, in all; what a forked child inherited included */
	COST_TEMPORARY, /* freed before the allocating thread's next allocation */
	COST_FREED,
	NR_COSTS
};

struct costs {
	struct amount of[NR_COSTS];
	/* Of the freed, without those whose free was lost: nobody knows how long they lived. A day
	 * in ns, a million times, is more than 64 bits hold. */
	unsigned __int128 lifetime_ns; /* sum */
	uint64_t nr_lifetimes;
};

/* Of a sum: so many bytes, or so many percent; 0: any. */
struct share {
	uint64_t bytes;
	double percent;
};

static inline void amount__add(struct amount *sum, struct amount amount)
{
	sum->bytes += amount.bytes;
	sum->blocks += amount.blocks;
}

static inline void amount__take(struct amount *sum, struct amount amount)
{
	sum->bytes -= amount.bytes;
	sum->blocks -= amount.blocks;
}

static inline struct amount amount__of_block(const struct heap_block *block)
{
	uint64_t weight = heap_block__weight(block);

	return (struct amount){ weight * heap_block__bytes(block), weight };
}

static inline struct amount amount__of_event(const struct heap_event *event)
{
	return (struct amount){ event->weight * event->bytes, event->weight };
}

static inline void costs__add(struct costs *sum, const struct costs *costs)
{
	for (unsigned i = 0; i < NR_COSTS; i++)
		amount__add(&sum->of[i], costs->of[i]);
	sum->lifetime_ns += costs->lifetime_ns;
	sum->nr_lifetimes += costs->nr_lifetimes;
}

#endif /* COSTS_H */
