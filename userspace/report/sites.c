// SPDX-License-Identifier: BSD-2-Clause
#include "report/sites.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/util.h"

struct counter {
	struct sites sites;
	struct hmap by_key; /* id of the stack and function -> index of the site */
	const struct heap *heap;
	const struct block_filter *filter;
	uint64_t end_ns;
};

static struct site *site_of(struct counter *counter, const struct heap_block *block)
{
	uint64_t key = (uint64_t)block->stack << 16 | block->func;
	const uint64_t *index = hmap__find(&counter->by_key, key);
	struct sites *sites = &counter->sites;

	if (index)
		return &sites->all[*index];
	sites->all = array__grow(sites->all, sites->nr, &sites->capacity, sizeof(*sites->all));
	hmap__set(&counter->by_key, key, sites->nr);
	sites->all[sites->nr] = (struct site){ .stack = block->stack,
					       .func = block->func,
					       .oldest_at_ns = block->time_ns };
	return &sites->all[sites->nr++];
}

static void count_block(const struct heap_block *block, void *data)
{
	struct counter *counter = data;
	struct site *site;

	if (!block_filter__passes_at(counter->filter, counter->heap, block, counter->end_ns))
		return;
	site = site_of(counter, block);
	site->oldest_at_ns = min(site->oldest_at_ns, block->time_ns);
	site->newest_at_ns = max(site->newest_at_ns, block->time_ns);
	amount__add(&site->live, amount__of_block(block));
	amount__add(&counter->sites.live, amount__of_block(block));
}

struct sites sites__count(const struct heap *heap, const struct stacks *stacks, uint64_t end_ns,
			  const struct block_filter *filter)
{
	struct counter counter = { .heap = heap, .filter = filter, .end_ns = end_ns };
	struct sites *sites = &counter.sites;

	heap__for_each(heap, count_block, &counter);
	hmap__clear(&counter.by_key);
	for (size_t i = 0; i < sites->nr; i++)
		sites->all[i].stack = stacks__index(stacks, sites->all[i].stack);
	/* It may be kept for long. */
	if (sites->nr)
		sites->all = xreallocarray(sites->all, sites->nr, sizeof(*sites->all));
	sites->capacity = sites->nr;
	return *sites;
}

void sites__clear(struct sites *sites)
{
	free(sites->all);
	*sites = (struct sites){ 0 };
}
