// SPDX-License-Identifier: BSD-2-Clause
#include "report/slices.h"

#include <stdlib.h>

#include "base/keyset.h"
#include "base/util.h"

/* Of one process. */
struct state {
	struct slice_site *sites;
	size_t nr;
};

struct slices {
	struct observer observer;
	struct model *model;
	uint64_t length_ns;
	struct state *states; /* of ended processes, by process->number */
	size_t nr, capacity;
	struct state newest; /* of one that has not ended */
};

struct site_key {
	uint64_t slice, stack;
};

struct counter {
	const struct slices *slices;
	const struct process *process;
	uint64_t last_slice;
	struct keyset keys; /* site_key; their numbers are the sites' */
	struct slice_site *sites;
	size_t nr, capacity;
};

static uint64_t slice_at(const struct slices *slices, uint64_t time_ns)
{
	return (time_ns - min(time_ns, slices->model->start_ns)) / slices->length_ns;
}

uint64_t slices__count(const struct slices *slices, const struct process *process)
{
	return slice_at(slices, process__totals(process)->last_ns) + 1;
}

static void count_block(const struct heap_block *block, void *data)
{
	struct counter *counter = data;
	const struct model *model = counter->slices->model;
	struct site_key key = { .slice = slice_at(counter->slices, block->time_ns),
				.stack = stacks__index(model->stacks, block->stack) };
	size_t number;

	if (!block_filter__passes_at(&model->filter, counter->process->heap, block, model->end_ns))
		return;
	key.slice = min(key.slice, counter->last_slice);
	number = keyset__add(&counter->keys, &key);
	if (number == counter->nr) {
		counter->sites = array__grow(counter->sites, counter->nr, &counter->capacity,
					     sizeof(*counter->sites));
		counter->sites[counter->nr++] =
			(struct slice_site){ .slice = key.slice, .stack = (uint32_t)key.stack };
	}
	amount__add(&counter->sites[number].live, amount__of_block(block));
}

static int compare_sites(const void *left, const void *right)
{
	const struct slice_site *a = left, *b = right;

	if (a->slice != b->slice)
		return a->slice < b->slice ? -1 : 1;
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

static struct state count(const struct slices *slices, const struct process *process)
{
	struct counter counter = { .slices = slices,
				   .process = process,
				   .last_slice = slices__count(slices, process) - 1,
				   .keys.key_size = sizeof(struct site_key) };

	heap__for_each(process->heap, count_block, &counter);
	keyset__clear(&counter.keys);
	if (counter.nr)
		qsort(counter.sites, counter.nr, sizeof(*counter.sites), compare_sites);
	return (struct state){ counter.sites, counter.nr };
}

/* Its heap is there for the last time. */
static void end(struct process *process, void *data)
{
	struct slices *slices = data;

	while (slices->nr <= process->number) {
		slices->states = array__grow(slices->states, slices->nr, &slices->capacity,
					     sizeof(*slices->states));
		slices->states[slices->nr++] = (struct state){ 0 };
	}
	slices->states[process->number] = count(slices, process);
}

struct slices *slices__new(struct model *model, uint64_t length_ns)
{
	struct slices *slices = xcalloc(1, sizeof(*slices));

	slices->model = model;
	slices->length_ns = length_ns;
	slices->observer = (struct observer){ .end = end, .data = slices };
	model__observe(model, &slices->observer);
	return slices;
}

void slices__free(struct slices *slices)
{
	if (!slices)
		return;
	for (size_t i = 0; i < slices->nr; i++)
		free(slices->states[i].sites);
	free(slices->states);
	free(slices->newest.sites);
	free(slices);
}

const struct slice_site *slices__of(struct slices *slices, const struct process *process,
				    size_t *nr)
{
	const struct state *state = NULL;

	*nr = 0;
	if (process->heap) {
		free(slices->newest.sites);
		slices->newest = count(slices, process);
		state = &slices->newest;
	} else if (process->number < slices->nr) {
		state = &slices->states[process->number];
	}
	if (!state)
		return NULL;
	*nr = state->nr;
	return state->sites;
}
