// SPDX-License-Identifier: BSD-2-Clause
/* Only buckets in which something happened are kept; timeline__of fills the gaps. */
#include "report/timeline.h"

#include <stdlib.h>

#include "base/util.h"
#include "report/by_process.h"

#define FIRST_WIDTH_NS 1000

struct state {
	uint64_t begin_ns; /* 0: not known before the first event */
	uint64_t width_ns;
	uint64_t until_ns; /* end of the newest bucket */
	struct timeline_bucket *buckets;
	size_t nr, capacity;
	struct amount live, inherited, peak, born;
	uint64_t peak_ns, nr_frees;
};

struct timeline {
	struct observer observer;
	struct model *model;
	struct by_process states;
	struct timeline_bucket *filled; /* for timeline__of: of one process at a time */
};

static void merge(struct timeline_bucket *into, const struct timeline_bucket *later)
{
	into->live = later->live;
	into->peak_bytes = max(into->peak_bytes, later->peak_bytes);
	amount__add(&into->born, later->born);
	into->nr_frees += later->nr_frees;
}

/* Doubles the width until time_ns has a bucket; returns which. */
static uint64_t make_index(struct state *state, uint64_t time_ns)
{
	uint64_t elapsed_ns = time_ns - min(state->begin_ns, time_ns);

	while (elapsed_ns / state->width_ns >= TIMELINE_MAX_BUCKETS) {
		size_t nr = 0;

		state->width_ns *= 2;
		for (size_t i = 0; i < state->nr; i++) {
			struct timeline_bucket bucket = state->buckets[i];

			bucket.index /= 2;
			if (nr && state->buckets[nr - 1].index == bucket.index)
				merge(&state->buckets[nr - 1], &bucket);
			else
				state->buckets[nr++] = bucket;
		}
		state->nr = nr;
	}
	return elapsed_ns / state->width_ns;
}

static uint64_t end_of_bucket(const struct state *state, uint64_t index)
{
	uint64_t span_ns = (index + 1) * state->width_ns;

	return state->begin_ns + min(span_ns, UINT64_MAX - state->begin_ns);
}

/* The bucket of an event that comes now. Time that goes back counts as the newest. */
static struct timeline_bucket *newest(struct timeline *timeline, struct state *state,
				      uint64_t time_ns)
{
	uint64_t index;

	if (state->nr && time_ns < state->until_ns)
		return &state->buckets[state->nr - 1];
	if (!state->begin_ns)
		state->begin_ns = timeline->model->start_ns;
	index = make_index(state, time_ns);
	state->until_ns = end_of_bucket(state, index);
	if (state->nr && state->buckets[state->nr - 1].index >= index)
		return &state->buckets[state->nr - 1];
	state->buckets =
		array__grow(state->buckets, state->nr, &state->capacity, sizeof(*state->buckets));
	state->buckets[state->nr] =
		(struct timeline_bucket){ .index = index, .peak_bytes = state->live.bytes };
	return &state->buckets[state->nr++];
}

static void note_peak(struct state *state, uint64_t time_ns)
{
	if (state->live.bytes <= state->peak.bytes)
		return;
	state->peak = state->live;
	state->peak_ns = time_ns;
}

static void add_block(struct state *state, struct timeline_bucket *bucket, struct amount amount,
		      uint64_t time_ns)
{
	amount__add(&state->live, amount);
	amount__add(&state->born, amount);
	amount__add(&bucket->born, amount);
	bucket->peak_bytes = max(bucket->peak_bytes, state->live.bytes);
	note_peak(state, time_ns);
}

static void happened(struct process *process, const struct heap_event *event, void *data)
{
	struct timeline *timeline = data;
	struct state *state = timeline->states.all[process->number];
	struct timeline_bucket *bucket;

	if (!event->block ||
	    !block_filter__passes(&timeline->model->filter, process->heap, event->block))
		return;
	bucket = newest(timeline, state, event->time_ns);
	if (event->kind == HEAP_BORN) {
		add_block(state, bucket, amount__of_event(event), event->time_ns);
	} else {
		amount__take(&state->live, amount__of_event(event));
		state->nr_frees += event->weight;
		bucket->nr_frees += event->weight;
	}
	bucket->live = state->live;
}

static void clear(void *kept)
{
	struct state *state = kept;

	free(state->buckets);
	*state = (struct state){ 0 };
}

struct inheritance {
	const struct timeline *timeline;
	const struct heap *heap;
	struct state *state;
};

static void inherit(const struct heap_block *block, void *data)
{
	struct inheritance *to = data;

	if (block_filter__passes(&to->timeline->model->filter, to->heap, block))
		amount__add(&to->state->inherited, amount__of_block(block));
}

static void begin(struct process *process, void *data)
{
	struct timeline *timeline = data;
	struct state *state = by_process__get(&timeline->states, process, sizeof(*state));
	struct inheritance inheritance = { timeline, process->heap, state };

	clear(state);
	state->width_ns = FIRST_WIDTH_NS;
	state->begin_ns = max(timeline->model->end_ns, timeline->model->start_ns);
	heap__for_each(process->heap, inherit, &inheritance);
	state->live = state->inherited;
	note_peak(state, state->begin_ns);
}

struct timeline *timeline__new(struct model *model)
{
	struct timeline *timeline = xcalloc(1, sizeof(*timeline));

	timeline->model = model;
	timeline->observer =
		(struct observer){ .begin = begin, .event = happened, .data = timeline };
	model__observe(model, &timeline->observer);
	return timeline;
}

void timeline__free(struct timeline *timeline)
{
	if (!timeline)
		return;
	by_process__clear(&timeline->states, clear);
	free(timeline->filled);
	free(timeline);
}

/* Buckets for all the time until end_ns. Returns how many. */
static size_t fill(struct timeline *timeline, struct state *state, uint64_t end_ns)
{
	/* What ends where a bucket does needs no further one. */
	size_t nr = make_index(state, max(end_ns, 1u) - 1) + 1, next = 0;
	struct amount live = state->inherited;

	if (state->nr)
		nr = max(nr, state->buckets[state->nr - 1].index + 1);
	free(timeline->filled);
	timeline->filled = xcalloc(nr, sizeof(*timeline->filled));
	for (size_t i = 0; i < nr; i++) {
		if (next < state->nr && state->buckets[next].index == i)
			timeline->filled[i] = state->buckets[next++];
		else
			timeline->filled[i] = (struct timeline_bucket){ .index = i,
									.live = live,
									.peak_bytes = live.bytes };
		live = timeline->filled[i].live;
	}
	return nr;
}

struct timeline_process timeline__of(struct timeline *timeline, const struct process *process)
{
	const struct model *model = timeline->model;
	uint64_t end_ns = process->ended ? process->end_ns : model->end_ns;
	struct state *state = by_process__find(&timeline->states, process), none = { 0 };
	struct timeline_process result;
	size_t nr;

	if (!state)
		state = by_process__get(&timeline->states, process, sizeof(none));
	if (!state->width_ns)
		state->width_ns = FIRST_WIDTH_NS;
	if (!state->begin_ns)
		state->begin_ns = model->start_ns ? model->start_ns : end_ns;
	end_ns = max(end_ns, state->begin_ns);
	nr = fill(timeline, state, end_ns);
	result = (struct timeline_process){ .begin_ns = state->begin_ns,
					    .end_ns = end_ns,
					    .width_ns = state->width_ns,
					    .buckets = timeline->filled,
					    .nr_buckets = nr,
					    .inherited = state->inherited,
					    .peak = state->peak,
					    .peak_ns = state->peak_ns,
					    .born = state->born,
					    .nr_frees = state->nr_frees };
	return result;
}
