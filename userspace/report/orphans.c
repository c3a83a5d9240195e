// SPDX-License-Identifier: BSD-2-Clause
#include "report/orphans.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Blocks that are sorted by time at once. */
#define MAX_SORTED (1u << 18)
/* A look goes through a whole heap. What looks that events bring about (those of a recording, whose
 * clock can be anything) may cost in all; one that would cost more is put off. */
#define FREE_VISITS	 (1ull << 27)
#define VISITS_PER_EVENT 64

struct state {
	bool begun, ended;
	/* Blocks allocated before this have been told of. */
	uint64_t told_until_ns;
	/* None of the others was allocated before this. */
	uint64_t untold_from_ns;
	struct orphans_count count;
};

struct orphans {
	struct observer observer;
	struct model *model;
	struct orphans_options options;
	struct state *states; /* by process->number */
	size_t nr_states;
	uint64_t next_look_ns; /* 0: no event has come */
	uint64_t nr_visits;

	/* Blocks of one process that are to be told of. */
	struct heap_block *found;
	size_t nr_found, capacity;
};

/* One walk through a heap. */
struct walk {
	struct orphans *orphans;
	const struct process *process;
	struct state *state;
	uint64_t until_ns; /* blocks allocated before this are told of */
	uint64_t untold_from_ns;
	uint64_t now_ns;
	bool last; /* all blocks are told of, and counted */
};

static bool passes(const struct orphans *orphans, const struct process *process,
		   const struct heap_block *block)
{
	return block_filter__passes(&orphans->model->filter, process->heap, block);
}

static int compare_blocks(const void *left, const void *right)
{
	const struct heap_block *a = left, *b = right;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static void tell_found(struct orphans *orphans, const struct process *process)
{
	if (orphans->nr_found)
		qsort(orphans->found, orphans->nr_found, sizeof(*orphans->found), compare_blocks);
	for (size_t i = 0; i < orphans->nr_found; i++) {
		struct logged_event event =
			logged_event__of_block(orphans->model, process, &orphans->found[i]);

		eventlog__add(orphans->options.log, &event);
	}
	orphans->nr_found = 0;
}

static void count(struct walk *walk, const struct heap_block *block)
{
	uint64_t age_ns = walk->now_ns - min(block->time_ns, walk->now_ns);
	struct orphans_count *counts = &walk->state->count;

	amount__add(age_ns >= walk->orphans->options.age_ns ? &counts->old : &counts->young,
		    amount__of_block(block));
}

static void visit(const struct heap_block *block, void *data)
{
	struct walk *walk = data;
	struct orphans *orphans = walk->orphans;

	if (walk->last && passes(orphans, walk->process, block))
		count(walk, block);
	if (block->time_ns >= walk->until_ns && !walk->last)
		walk->untold_from_ns = min(walk->untold_from_ns, block->time_ns);
	else if (block->time_ns >= walk->state->told_until_ns && orphans->options.log &&
		 passes(orphans, walk->process, block)) {
		orphans->found = array__grow(orphans->found, orphans->nr_found, &orphans->capacity,
					     sizeof(*orphans->found));
		orphans->found[orphans->nr_found++] = *block;
		if (orphans->nr_found == MAX_SORTED)
			tell_found(orphans, walk->process);
	}
}

/* Tells of the blocks of a process that were allocated before until_ns; gone: one that has just
 * been freed, NULL: none. */
static void look_at(struct orphans *orphans, const struct process *process, uint64_t until_ns,
		    const struct heap_block *gone)
{
	struct state *state = &orphans->states[process->number];
	struct walk walk = { .orphans = orphans,
			     .process = process,
			     .state = state,
			     .until_ns = until_ns,
			     .untold_from_ns = UINT64_MAX };

	if (until_ns <= state->told_until_ns)
		return;
	if (gone && orphans->options.log)
		visit(gone, &walk);
	if (orphans->options.log && until_ns > state->untold_from_ns) {
		orphans->nr_visits += heap__nr_blocks(process->heap);
		heap__for_each(process->heap, visit, &walk);
		state->untold_from_ns = walk.untold_from_ns;
	}
	tell_found(orphans, process);
	state->told_until_ns = until_ns;
}

static bool may_look(const struct orphans *orphans)
{
	return orphans->nr_visits <= FREE_VISITS + VISITS_PER_EVENT * orphans->model->nr_events;
}

/* The newest moment to look at that is not after now_ns; 0: it has not come. */
static uint64_t moment_to_look(struct orphans *orphans, uint64_t now_ns)
{
	uint64_t interval_ns = orphans->options.interval_ns, at_ns;

	if (!orphans->next_look_ns) {
		uint64_t start_ns = orphans->model->start_ns;

		orphans->next_look_ns = start_ns + min(interval_ns, UINT64_MAX - start_ns);
	}
	if (now_ns < orphans->next_look_ns)
		return 0;
	at_ns = now_ns - (now_ns - orphans->next_look_ns) % interval_ns;
	orphans->next_look_ns = at_ns + min(interval_ns, UINT64_MAX - at_ns);
	return at_ns;
}

/* owner: of the block that is gone. */
static void look(struct orphans *orphans, uint64_t now_ns, const struct process *owner,
		 const struct heap_block *gone)
{
	uint64_t at_ns = moment_to_look(orphans, now_ns), age_ns = orphans->options.age_ns;

	if (at_ns < age_ns)
		return;
	for (size_t i = 0; i < orphans->nr_states; i++) {
		const struct process *process;

		if (!orphans->states[i].begun || orphans->states[i].ended)
			continue;
		process = orphans->model->processes[i];
		look_at(orphans, process, at_ns - age_ns + 1, process == owner ? gone : NULL);
	}
}

void orphans__tick(struct orphans *orphans, uint64_t now_ns)
{
	if (orphans->model->start_ns && !orphans->options.at_end_only)
		look(orphans, min(now_ns, orphans->model->until_ns), NULL, NULL);
}

static void tell(struct orphans *orphans, const struct process *process,
		 const struct heap_event *event)
{
	struct logged_event logged;

	if (!orphans->options.log || orphans->options.at_end_only)
		return;
	logged = logged_event__of(orphans->model, process, event);
	eventlog__add(orphans->options.log, &logged);
}

static void happened(struct process *process, const struct heap_event *event, void *data)
{
	struct orphans *orphans = data;
	struct state *state = &orphans->states[process->number];
	const struct heap_block *block = event->block;
	bool is_gone = event->kind == HEAP_DIED || event->kind == HEAP_REPLACED;

	if (event->time_ns >= orphans->next_look_ns && !orphans->options.at_end_only &&
	    may_look(orphans))
		look(orphans, event->time_ns, process, is_gone ? block : NULL);
	if (event->kind == HEAP_UNKNOWN && logged_event__passes_all(&orphans->model->filter) &&
	    block_filter__wants_call(&orphans->model->filter, event->stack, event->func)) {
		state->count.nr_unknown_frees++;
		tell(orphans, process, event);
	}
	if (!block)
		return;
	if (block->time_ns >= state->told_until_ns) {
		if (!is_gone)
			state->untold_from_ns = min(state->untold_from_ns, block->time_ns);
	} else if (passes(orphans, process, block)) {
		/* One that comes late is of age already. */
		tell(orphans, process, event);
		if (is_gone)
			amount__add(&state->count.retracted, amount__of_block(block));
	}
}

static void tell_of_process(struct orphans *orphans, const struct process *process,
			    enum logged_kind kind)
{
	struct logged_event event = logged_event__of_process(orphans->model, process, kind);

	if (orphans->options.log)
		eventlog__add(orphans->options.log, &event);
}

static struct state *state_of(struct orphans *orphans, const struct process *process)
{
	size_t before = orphans->nr_states;

	if (process->number >= before) {
		orphans->nr_states = max(process->number + 1, before * 2);
		orphans->states = xreallocarray(orphans->states, orphans->nr_states,
						sizeof(*orphans->states));
		memset(orphans->states + before, 0,
		       (orphans->nr_states - before) * sizeof(*orphans->states));
	}
	return &orphans->states[process->number];
}

/* Again where another program has taken its place: what was told of is gone. */
static void begin(struct process *process, void *data)
{
	struct orphans *orphans = data;
	struct state *state = state_of(orphans, process);

	if (state->begun && !orphans->options.at_end_only)
		tell_of_process(orphans, process, LOGGED_EXEC);
	state->begun = true;
	/* It may have its parent's blocks. */
	state->untold_from_ns = 0;
}

static void finish(struct orphans *orphans, const struct process *process)
{
	struct walk walk = { .orphans = orphans,
			     .process = process,
			     .state = &orphans->states[process->number],
			     .now_ns = orphans->model->end_ns,
			     .last = true };

	heap__for_each(process->heap, visit, &walk);
	tell_found(orphans, process);
	walk.state->ended = true;
}

static void end(struct process *process, void *data)
{
	finish(data, process);
	tell_of_process(data, process, LOGGED_END);
}

void orphans__finish(struct orphans *orphans)
{
	for (size_t i = 0; i < orphans->model->nr_processes; i++)
		if (!orphans->model->processes[i]->ended)
			finish(orphans, orphans->model->processes[i]);
}

struct orphans_count orphans__count(const struct orphans *orphans, const struct process *process)
{
	return process->number < orphans->nr_states ? orphans->states[process->number].count
						    : (struct orphans_count){ 0 };
}

struct orphans *orphans__new(struct model *model, const struct orphans_options *options)
{
	struct orphans *orphans = xcalloc(1, sizeof(*orphans));

	orphans->model = model;
	orphans->options = *options;
	orphans->observer =
		(struct observer){ .begin = begin, .event = happened, .end = end, .data = orphans };
	model__observe(model, &orphans->observer);
	return orphans;
}

void orphans__free(struct orphans *orphans)
{
	if (!orphans)
		return;
	free(orphans->states);
	free(orphans->found);
	free(orphans);
}
