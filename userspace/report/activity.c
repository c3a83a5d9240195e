// SPDX-License-Identifier: BSD-2-Clause
#include "report/activity.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "heap/threads.h"
#include "report/by_process.h"

struct state {
	struct activity_thread *threads;
	size_t nr, capacity;
	struct hmap by_tid;		/* -> index */
	size_t last;			/* asked for last */
	struct activity_thread *sorted; /* for activity__of */
};

struct activity {
	struct observer observer;
	struct model *model;
	struct by_process states;
};

static size_t find_or_add(struct state *state, uint32_t tid)
{
	const uint64_t *index = hmap__find(&state->by_tid, tid);

	if (index)
		return *index;
	/* The others' row comes on top of those told apart. */
	if (tid && state->nr >= THREADS_OTHER)
		return find_or_add(state, 0);
	state->threads =
		array__grow(state->threads, state->nr, &state->capacity, sizeof(*state->threads));
	state->threads[state->nr] = (struct activity_thread){ .tid = tid };
	hmap__set(&state->by_tid, tid, state->nr);
	return state->nr++;
}

/* The row of a thread. It may move when the next is asked for. */
static struct activity_thread *thread_of(struct state *state, uint32_t tid)
{
	if (!state->nr || state->threads[state->last].tid != tid)
		state->last = find_or_add(state, tid);
	return &state->threads[state->last];
}

static void note_time(struct activity_thread *thread, uint64_t time_ns)
{
	if (!thread->first_ns)
		thread->first_ns = time_ns;
	thread->last_ns = max(thread->last_ns, time_ns);
}

/* owner_tid: who allocated, as the heap can still tell when the block goes. */
static void count_birth(struct state *state, const struct heap_event *event, uint32_t owner_tid)
{
	struct activity_thread *thread = thread_of(state, owner_tid);
	const struct amount amount = amount__of_event(event);

	note_time(thread, event->time_ns);
	amount__add(&thread->total, amount);
	amount__add(&thread->live, amount);
}

static void count_death(struct state *state, const struct heap_event *event, uint32_t owner_tid)
{
	const struct amount amount = amount__of_event(event);
	struct activity_thread *owner = thread_of(state, owner_tid), *thread;

	amount__take(&owner->live, amount);
	/* Nobody was seen to free it. */
	if (event->kind == HEAP_REPLACED)
		return;
	if (event->temporary)
		amount__add(&owner->temporary, amount);
	owner_tid = owner->tid;
	thread = thread_of(state, event->tid);
	note_time(thread, event->time_ns);
	amount__add(&thread->freed, amount);
	/* Those that share a row are not told apart. */
	if (thread->tid == owner_tid || !thread->tid || !owner_tid)
		return;
	amount__add(&thread->of_others, amount);
	amount__add(&thread_of(state, owner_tid)->by_others, amount);
}

static void happened(struct process *process, const struct heap_event *event, void *data)
{
	struct activity *activity = data;
	const struct block_filter *filter = &activity->model->filter;
	struct state *state = activity->states.all[process->number];
	uint32_t owner_tid;

	if (event->kind == HEAP_FAILED) {
		if (!filter->tid || filter->tid == event->tid) {
			thread_of(state, event->tid)->nr_failed += event->weight;
			note_time(thread_of(state, event->tid), event->time_ns);
		}
		return;
	}
	if (!event->block || !block_filter__passes(filter, process->heap, event->block))
		return;
	owner_tid = heap__tid(process->heap, event->block);
	if (event->kind == HEAP_BORN)
		count_birth(state, event, owner_tid);
	else
		count_death(state, event, owner_tid);
}

static void clear(void *kept)
{
	struct state *state = kept;

	free(state->threads);
	free(state->sorted);
	hmap__clear(&state->by_tid);
	*state = (struct state){ 0 };
}

struct inheritance {
	const struct activity *activity;
	const struct heap *heap;
	struct state *state;
};

static void inherit(const struct heap_block *block, void *data)
{
	struct inheritance *to = data;

	if (block_filter__passes(&to->activity->model->filter, to->heap, block))
		amount__add(&thread_of(to->state, heap__tid(to->heap, block))->live,
			    amount__of_block(block));
}

static void begin(struct process *process, void *data)
{
	struct activity *activity = data;
	struct state *state = by_process__get(&activity->states, process, sizeof(*state));
	struct inheritance inheritance = { activity, process->heap, state };

	clear(state);
	heap__for_each(process->heap, inherit, &inheritance);
}

struct activity *activity__new(struct model *model)
{
	struct activity *activity = xcalloc(1, sizeof(*activity));

	activity->model = model;
	activity->observer =
		(struct observer){ .begin = begin, .event = happened, .data = activity };
	model__observe(model, &activity->observer);
	return activity;
}

void activity__free(struct activity *activity)
{
	if (!activity)
		return;
	by_process__clear(&activity->states, clear);
	free(activity);
}

static int compare_threads(const void *left, const void *right)
{
	const struct activity_thread *a = left, *b = right;

	if (a->total.bytes != b->total.bytes)
		return a->total.bytes < b->total.bytes ? 1 : -1;
	if (a->total.blocks != b->total.blocks)
		return a->total.blocks < b->total.blocks ? 1 : -1;
	return a->tid < b->tid ? -1 : a->tid > b->tid;
}

static void add_up(struct activity_thread *sum, const struct activity_thread *thread)
{
	amount__add(&sum->total, thread->total);
	amount__add(&sum->live, thread->live);
	amount__add(&sum->temporary, thread->temporary);
	amount__add(&sum->freed, thread->freed);
	amount__add(&sum->of_others, thread->of_others);
	amount__add(&sum->by_others, thread->by_others);
	sum->nr_failed += thread->nr_failed;
	if (thread->first_ns && (!sum->first_ns || thread->first_ns < sum->first_ns))
		sum->first_ns = thread->first_ns;
	sum->last_ns = max(sum->last_ns, thread->last_ns);
}

struct activity_process activity__of(struct activity *activity, const struct process *process)
{
	struct state *state = by_process__find(&activity->states, process);
	struct activity_process result = { 0 };

	if (!state || !state->nr)
		return result;
	free(state->sorted);
	state->sorted = xcalloc(state->nr, sizeof(*state->sorted));
	memcpy(state->sorted, state->threads, state->nr * sizeof(*state->sorted));
	qsort(state->sorted, state->nr, sizeof(*state->sorted), compare_threads);
	for (size_t i = 0; i < state->nr; i++)
		add_up(&result.sum, &state->sorted[i]);
	result.threads = state->sorted;
	result.nr_threads = state->nr;
	return result;
}
