// SPDX-License-Identifier: BSD-2-Clause
#include "report/lives.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "report/by_process.h"

/* Of a life that is not kept. */
#define NONE UINT64_MAX

struct state {
	struct life *first; /* numbers below LIVES_MAX */
	struct life *last;  /* a ring, by number modulo LIVES_MAX */
	size_t nr_first, first_capacity, nr_last, last_capacity;
	uint64_t nr, nr_nothing;
	struct hmap live;    /* address of a block -> number of its life */
	uint64_t just_moved; /* number of the life that a realloc has just ended; NONE */
	struct life_neighbour before, after;
	struct life *shown; /* for lives__of */
};

struct lives {
	struct observer observer;
	struct model *model;
	uint64_t address;
	struct by_process states;
};

static bool contains(const struct heap_block *block, uint64_t address)
{
	return block->addr == address ||
	       (address > block->addr && address - block->addr < heap_block__bytes(block));
}

/* NULL: it was not kept. */
static struct life *life_of(struct state *state, uint64_t number)
{
	if (number >= state->nr)
		return NULL;
	if (number < LIVES_MAX)
		return &state->first[number];
	return number + LIVES_MAX >= state->nr ? &state->last[number % LIVES_MAX] : NULL;
}

/* Room for one more in an array that has LIVES_MAX at most. */
static struct life *grow(struct life *lives, size_t *nr, size_t *capacity)
{
	lives = array__grow(lives, *nr, capacity, sizeof(*lives));
	++*nr;
	return lives;
}

static void forget(struct state *state, const struct life *life)
{
	const uint64_t *number = hmap__find(&state->live, life->addr);

	if (life->kind == LIFE_LIVE && number && life_of(state, *number) == life)
		hmap__delete(&state->live, life->addr);
}

static void add_life(struct state *state, const struct life *life)
{
	uint64_t number = state->nr;

	if (number < LIVES_MAX)
		state->first = grow(state->first, &state->nr_first, &state->first_capacity);
	else if (state->nr_last < LIVES_MAX)
		state->last = grow(state->last, &state->nr_last, &state->last_capacity);
	else
		forget(state, &state->last[number % LIVES_MAX]);
	state->nr++;
	*life_of(state, number) = *life;
	if (life->kind == LIFE_LIVE)
		hmap__set(&state->live, life->addr, number);
	else
		state->nr_nothing++;
}

static struct life begin_life(const struct lives *lives, const struct heap *heap,
			      const struct heap_block *block)
{
	return (struct life){ .kind = LIFE_LIVE,
			      .addr = block->addr,
			      .bytes = heap_block__bytes(block),
			      .weight = heap_block__weight(block),
			      .born_ns = block->time_ns,
			      .born_tid = heap__tid(heap, block),
			      .born_func = block->func,
			      .stack = stacks__index(lives->model->stacks, block->stack) };
}

static void note_birth(struct lives *lives, struct state *state, const struct heap *heap,
		       const struct heap_event *event)
{
	struct life *old = life_of(state, state->just_moved);
	struct life life;

	if (event->by_realloc && old) {
		old->kind = LIFE_MOVED;
		old->new_addr = event->addr;
		old->new_bytes = event->bytes;
	}
	if (!contains(event->block, lives->address) ||
	    !block_filter__passes(&lives->model->filter, heap, event->block))
		return;
	life = begin_life(lives, heap, event->block);
	life.born_tid = event->tid;
	life.was_moved = event->by_realloc && event->old;
	if (life.was_moved) {
		life.old_addr = event->old->addr;
		life.old_bytes = heap_block__bytes(event->old);
	}
	add_life(state, &life);
}

static void note_death(struct lives *lives, struct state *state, const struct heap_event *event)
{
	const uint64_t *number;
	struct life *life;

	if (!contains(event->block, lives->address))
		return;
	number = hmap__find(&state->live, event->addr);
	if (!number)
		return;
	life = life_of(state, *number);
	life->kind = event->kind == HEAP_REPLACED ? LIFE_REPLACED : LIFE_FREED;
	life->died_ns = event->time_ns;
	life->died_tid = event->tid;
	life->died_func = event->func;
	life->died_stack = stacks__index(lives->model->stacks, event->stack);
	if (event->kind == HEAP_DIED && event->by_realloc)
		state->just_moved = *number;
	hmap__delete(&state->live, event->addr);
}

static void happened(struct process *process, const struct heap_event *event, void *data)
{
	struct lives *lives = data;
	struct state *state = lives->states.all[process->number];

	switch (event->kind) {
	case HEAP_BORN:
		note_birth(lives, state, process->heap, event);
		state->just_moved = NONE;
		break;
	case HEAP_DIED:
		state->just_moved = NONE;
		note_death(lives, state, event);
		break;
	case HEAP_REPLACED:
		/* May come between the two halves of a realloc. */
		note_death(lives, state, event);
		break;
	case HEAP_UNKNOWN:
		if (event->addr == lives->address)
			add_life(state,
				 &(struct life){ .kind = LIFE_NOTHING,
						 .addr = event->addr,
						 .died_ns = event->time_ns,
						 .died_tid = event->tid,
						 .died_func = event->func,
						 .died_stack = stacks__index(lives->model->stacks,
									     event->stack) });
		break;
	case HEAP_FAILED:
		break;
	}
}

static void clear(void *kept)
{
	struct state *state = kept;

	free(state->first);
	free(state->last);
	free(state->shown);
	hmap__clear(&state->live);
	*state = (struct state){ .just_moved = NONE };
}

struct visit {
	struct lives *lives;
	struct state *state;
	const struct heap *heap;
};

static void inherit(const struct heap_block *block, void *data)
{
	const struct visit *visit = data;
	struct life life;

	if (!contains(block, visit->lives->address) ||
	    !block_filter__passes(&visit->lives->model->filter, visit->heap, block))
		return;
	life = begin_life(visit->lives, visit->heap, block);
	life.inherited = true;
	add_life(visit->state, &life);
}

static void begin(struct process *process, void *data)
{
	struct lives *lives = data;
	struct state *state = by_process__get(&lives->states, process, sizeof(*state));
	struct visit visit = { lives, state, process->heap };

	clear(state);
	heap__for_each(process->heap, inherit, &visit);
}

static void look_beside(const struct heap_block *block, void *data)
{
	const struct visit *visit = data;
	struct life_neighbour *neighbour;
	uint64_t address = visit->lives->address;

	if (contains(block, address))
		return;
	neighbour = block->addr < address ? &visit->state->before : &visit->state->after;
	if (neighbour->block.addr && (block->addr < address ? block->addr < neighbour->block.addr
							    : block->addr > neighbour->block.addr))
		return;
	*neighbour = (struct life_neighbour){
		.block = *block,
		.stack = stacks__index(visit->lives->model->stacks, block->stack),
		.tid = heap__tid(visit->heap, block),
	};
}

static void find_neighbours(struct lives *lives, struct state *state, const struct heap *heap)
{
	struct visit visit = { lives, state, heap };

	state->before = state->after = (struct life_neighbour){ 0 };
	heap__for_each(heap, look_beside, &visit);
}

static void end(struct process *process, void *data)
{
	struct lives *lives = data;

	find_neighbours(lives, lives->states.all[process->number], process->heap);
}

struct lives *lives__new(struct model *model, uint64_t address)
{
	struct lives *lives = xcalloc(1, sizeof(*lives));

	lives->model = model;
	lives->address = address;
	lives->observer =
		(struct observer){ .begin = begin, .event = happened, .end = end, .data = lives };
	model__observe(model, &lives->observer);
	return lives;
}

void lives__free(struct lives *lives)
{
	if (!lives)
		return;
	by_process__clear(&lives->states, clear);
	free(lives);
}

struct lives_process lives__of(struct lives *lives, const struct process *process)
{
	struct state *state = by_process__find(&lives->states, process);
	struct lives_process result = { 0 };

	if (!state)
		return result;
	if (process->heap)
		find_neighbours(lives, state, process->heap);
	free(state->shown);
	state->shown = xcalloc(state->nr_first + state->nr_last, sizeof(*state->shown));
	for (uint64_t i = 0; i < state->nr_first; i++)
		state->shown[i] = state->first[i];
	for (uint64_t i = 0; i < state->nr_last; i++)
		state->shown[state->nr_first + i] = *life_of(state, state->nr - state->nr_last + i);
	result = (struct lives_process){ .lives = state->shown,
					 .nr_lives = state->nr_first + state->nr_last,
					 .nr_first = state->nr_first,
					 .nr_blocks = state->nr - state->nr_nothing,
					 .nr_nothing = state->nr_nothing,
					 .before = state->before,
					 .after = state->after };
	result.nr_hidden = state->nr - result.nr_lives;
	return result;
}
