// SPDX-License-Identifier: BSD-2-Clause
#include "report/samples.h"

#include <stdlib.h>

#include "base/util.h"

/* Of one process. */
struct state {
	struct sample_run *runs;
	size_t nr, capacity;
	uint64_t next; /* the moment that comes next */
	struct amount live;
	bool began;
};

struct samples {
	struct observer observer;
	struct model *model;
	uint64_t interval_ns;
	struct state **states; /* by process->number; NULL: nothing came */
	size_t nr, capacity;
	size_t nr_runs; /* of all */
	bool overflowed;
};

static struct state *state_of(struct samples *samples, const struct process *process)
{
	while (samples->nr <= process->number) {
		samples->states = array__grow(samples->states, samples->nr, &samples->capacity,
					      sizeof(*samples->states));
		samples->states[samples->nr++] = NULL;
	}
	if (!samples->states[process->number])
		samples->states[process->number] = xcalloc(1, sizeof(struct state));
	return samples->states[process->number];
}

static uint64_t since_start_ns(const struct samples *samples, uint64_t time_ns)
{
	return time_ns - min(time_ns, samples->model->start_ns);
}

/* Moments before nr_moments have passed, and what is live now was live at all that are new. */
static void pass_moments(struct samples *samples, struct state *state, uint64_t nr_moments)
{
	if (nr_moments <= state->next)
		return;
	if (samples->nr_runs >= SAMPLES_MAX) {
		samples->overflowed = true;
	} else {
		samples->nr_runs++;
		state->runs =
			array__grow(state->runs, state->nr, &state->capacity, sizeof(*state->runs));
		state->runs[state->nr++] =
			(struct sample_run){ .first = state->next, .live = state->live };
	}
	state->next = nr_moments;
}

/* The number of moments before a time, that of the time itself not included. */
static uint64_t moments_before(const struct samples *samples, uint64_t time_ns)
{
	uint64_t ns = since_start_ns(samples, time_ns);

	return ns / samples->interval_ns + (ns % samples->interval_ns != 0);
}

static void happened(struct process *process, const struct heap_event *event, void *data)
{
	struct samples *samples = data;
	struct state *state = samples->states[process->number];
	const struct heap_block *block = event->block;

	pass_moments(samples, state, moments_before(samples, event->time_ns));
	if (!block || !block_filter__passes(&samples->model->filter, process->heap, block))
		return;
	if (event->kind == HEAP_BORN) {
		amount__add(&state->live, amount__of_block(block));
	} else {
		amount__take(&state->live, amount__of_block(block));
	}
}

struct inheritance {
	const struct samples *samples;
	const struct heap *heap;
	struct amount live;
};

static void inherit(const struct heap_block *block, void *data)
{
	struct inheritance *to = data;

	if (block_filter__passes(&to->samples->model->filter, to->heap, block))
		amount__add(&to->live, amount__of_block(block));
}

/* A process begins, or another program in it. */
static void begin(struct process *process, void *data)
{
	struct samples *samples = data;
	struct state *state = state_of(samples, process);
	struct inheritance inheritance = { .samples = samples, .heap = process->heap };
	uint64_t nr_moments = moments_before(samples, samples->model->end_ns);

	if (state->began)
		pass_moments(samples, state, nr_moments);
	else
		state->next = nr_moments;
	state->began = true;
	heap__for_each(process->heap, inherit, &inheritance);
	state->live = inheritance.live;
}

struct samples *samples__new(struct model *model, uint64_t interval_ns)
{
	struct samples *samples = xcalloc(1, sizeof(*samples));

	samples->model = model;
	samples->interval_ns = interval_ns;
	samples->observer = (struct observer){ .begin = begin, .event = happened, .data = samples };
	model__observe(model, &samples->observer);
	return samples;
}

void samples__free(struct samples *samples)
{
	if (!samples)
		return;
	for (size_t i = 0; i < samples->nr; i++) {
		if (samples->states[i])
			free(samples->states[i]->runs);
		free(samples->states[i]);
	}
	free(samples->states);
	free(samples);
}

struct samples_process samples__of(struct samples *samples, const struct process *process)
{
	uint64_t last_ns = since_start_ns(samples, process__totals(process)->last_ns);
	struct state *state;

	if (process->number >= samples->nr || !samples->states[process->number])
		return (struct samples_process){ 0 };
	state = samples->states[process->number];
	pass_moments(samples, state, last_ns / samples->interval_ns + 1);
	return (struct samples_process){ .runs = state->runs,
					 .nr_runs = state->nr,
					 .nr_moments = state->next,
					 .live = state->live,
					 .last_ns = last_ns };
}

bool samples__overflowed(const struct samples *samples)
{
	return samples->overflowed;
}
