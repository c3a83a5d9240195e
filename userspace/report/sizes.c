// SPDX-License-Identifier: BSD-2-Clause
/*
 * The most frequent exact sizes are found as Misra and Gries do: a size that comes when the table
 * is full takes one from every counter, and those that are then empty make room. No count is wrong
 * by more than how often that happened.
 *
 * With weights, one at a time would take long to empty any: then the median is taken, so that half
 * of them go at once.
 */
#include "report/sizes.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/util.h"
#include "report/by_process.h"

#define NR_SMALL    16
#define STEPS_BITS  2 /* four steps a power of two */
#define SMALL_POWER 4 /* 2^4 is the first size that shares its row */

/* Few of the rows are ever needed by one program. */
struct state {
	uint16_t index[SIZES_NR_ROWS]; /* of a row in rows, and one; 0: not there */
	struct sizes_row *rows;
	size_t nr, capacity;
	struct hmap exact; /* bytes -> how often */
	uint64_t nr_missed;
	bool weighted;		  /* a block stood for several */
	struct sizes_row *sorted; /* for sizes__of */
	struct sizes_exact *frequent;
};

struct sizes {
	struct observer observer;
	struct model *model;
	struct by_process states;
};

unsigned sizes__row(uint64_t bytes)
{
	unsigned power;

	if (bytes < NR_SMALL)
		return (unsigned)bytes;
	power = 63 - (unsigned)__builtin_clzll(bytes);
	return NR_SMALL + ((power - SMALL_POWER) << STEPS_BITS) +
	       (unsigned)(bytes >> (power - STEPS_BITS) & ((1u << STEPS_BITS) - 1));
}

uint64_t sizes__row_begin(unsigned row)
{
	unsigned power, step;

	if (row < NR_SMALL)
		return row;
	power = SMALL_POWER + ((row - NR_SMALL) >> STEPS_BITS);
	step = (row - NR_SMALL) & ((1u << STEPS_BITS) - 1);
	return (1ull << power) + ((uint64_t)step << (power - STEPS_BITS));
}

static struct sizes_row *row_of(struct state *state, uint64_t bytes)
{
	unsigned row = sizes__row(bytes);

	if (state->index[row])
		return &state->rows[state->index[row] - 1];
	state->rows = array__grow(state->rows, state->nr, &state->capacity, sizeof(*state->rows));
	state->rows[state->nr] = (struct sizes_row){
		.from_bytes = sizes__row_begin(row),
		.to_bytes = row + 1 < SIZES_NR_ROWS ? sizes__row_begin(row + 1) - 1 : UINT64_MAX,
	};
	state->index[row] = (uint16_t)++state->nr;
	return &state->rows[state->nr - 1];
}

static int compare_numbers(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* Of all counters. */
static uint64_t median(const struct state *state)
{
	uint64_t counts[SIZES_MAX_EXACT], bytes;
	size_t nr = 0;

	for (size_t at = 0;
	     nr < SIZES_MAX_EXACT && hmap__next(&state->exact, &at, &bytes, &counts[nr]);)
		nr++;
	qsort(counts, nr, sizeof(*counts), compare_numbers);
	return counts[nr / 2];
}

/* Takes so many from every counter. */
static void make_room(struct state *state, uint64_t taken)
{
	struct hmap kept = { 0 };
	uint64_t bytes, nr;

	for (size_t at = 0; hmap__next(&state->exact, &at, &bytes, &nr);)
		if (nr > taken)
			hmap__set(&kept, bytes, nr - taken);
	hmap__clear(&state->exact);
	state->exact = kept;
	state->nr_missed += taken;
}

static void count_exact(struct state *state, uint64_t bytes, uint32_t weight)
{
	uint64_t *nr = hmap__find(&state->exact, bytes);

	state->weighted |= weight > 1;
	if (!nr && state->exact.nr >= SIZES_MAX_EXACT) {
		make_room(state, state->weighted ? median(state) : 1);
		/* It pays for the room as the others do. */
		if (!state->weighted)
			return;
	}
	if (nr)
		*nr += weight;
	else
		hmap__set(&state->exact, bytes, weight);
}

static void add_block(struct state *state, const struct heap_block *block)
{
	const struct amount amount = amount__of_block(block);
	struct sizes_row *row = row_of(state, heap_block__bytes(block));

	amount__add(&row->total, amount);
	amount__add(&row->live, amount);
	count_exact(state, heap_block__bytes(block), heap_block__weight(block));
}

static void happened(struct process *process, const struct heap_event *event, void *data)
{
	struct sizes *sizes = data;
	struct state *state = sizes->states.all[process->number];
	struct sizes_row *row;

	if (!event->block ||
	    !block_filter__passes(&sizes->model->filter, process->heap, event->block))
		return;
	if (event->kind == HEAP_BORN) {
		add_block(state, event->block);
		return;
	}
	row = row_of(state, event->bytes);
	amount__take(&row->live, amount__of_event(event));
	if (event->temporary)
		amount__add(&row->temporary, amount__of_event(event));
}

static void clear(void *kept)
{
	struct state *state = kept;

	free(state->rows);
	free(state->sorted);
	free(state->frequent);
	hmap__clear(&state->exact);
	*state = (struct state){ 0 };
}

struct inheritance {
	const struct sizes *sizes;
	const struct heap *heap;
	struct state *state;
};

static void inherit(const struct heap_block *block, void *data)
{
	struct inheritance *to = data;

	if (block_filter__passes(&to->sizes->model->filter, to->heap, block))
		add_block(to->state, block);
}

static void begin(struct process *process, void *data)
{
	struct sizes *sizes = data;
	struct state *state = by_process__get(&sizes->states, process, sizeof(*state));
	struct inheritance inheritance = { sizes, process->heap, state };

	clear(state);
	heap__for_each(process->heap, inherit, &inheritance);
}

struct sizes *sizes__new(struct model *model)
{
	struct sizes *sizes = xcalloc(1, sizeof(*sizes));

	sizes->model = model;
	sizes->observer = (struct observer){ .begin = begin, .event = happened, .data = sizes };
	model__observe(model, &sizes->observer);
	return sizes;
}

void sizes__free(struct sizes *sizes)
{
	if (!sizes)
		return;
	by_process__clear(&sizes->states, clear);
	free(sizes);
}

static int compare_exact(const void *left, const void *right)
{
	const struct sizes_exact *a = left, *b = right;

	if (a->nr != b->nr)
		return a->nr < b->nr ? 1 : -1;
	return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

static size_t sort_exact(struct state *state)
{
	uint64_t bytes, count;
	size_t nr = 0;

	free(state->frequent);
	state->frequent = xcalloc(state->exact.nr, sizeof(*state->frequent));
	for (size_t at = 0; hmap__next(&state->exact, &at, &bytes, &count);)
		state->frequent[nr++] = (struct sizes_exact){ bytes, count };
	if (nr)
		qsort(state->frequent, nr, sizeof(*state->frequent), compare_exact);
	return nr;
}

struct sizes_process sizes__of(struct sizes *sizes, const struct process *process)
{
	struct state *state = by_process__find(&sizes->states, process);
	struct sizes_process result = { 0 };

	if (!state)
		return result;
	free(state->sorted);
	state->sorted = xcalloc(state->nr, sizeof(*state->sorted));
	for (unsigned i = 0; i < SIZES_NR_ROWS; i++)
		if (state->index[i])
			state->sorted[result.nr_rows++] = state->rows[state->index[i] - 1];
	for (size_t i = 0; i < result.nr_rows; i++) {
		amount__add(&result.sum.total, state->sorted[i].total);
		amount__add(&result.sum.live, state->sorted[i].live);
		amount__add(&result.sum.temporary, state->sorted[i].temporary);
	}
	result.nr_exact = sort_exact(state);
	result.nr_missed = state->nr_missed;
	result.rows = state->sorted;
	result.exact = state->frequent;
	return result;
}
