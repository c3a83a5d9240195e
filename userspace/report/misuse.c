// SPDX-License-Identifier: BSD-2-Clause
#include "report/misuse.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "report/by_process.h"
#include "report/freed.h"
#include "report/pairing.h"
#include "report/selfcheck.h"

#define FREED_BITS 20
/* In freed.heap: of a block that the filter leaves out. */
#define FREED_HIDDEN 0x80000000u
#define NR_PAIRS     256
/* Sites of what is no error, so that errors always find room. */
#define MAX_OTHERS (MISUSE_MAX_SITES / 2)

_Static_assert(MISUSE_MAX_FREED == 1u << FREED_BITS, "size of the table");

/* Sites of one kind. */
struct site_list {
	struct misuse_site *all;
	size_t nr, capacity;
	struct hmap by_key; /* stack and functions -> index */
	uint64_t nr_elsewhere;
	struct misuse_site *sorted; /* for misuse__of */
};

struct state {
	uint32_t heap; /* its number, anew with each program */
	struct site_list sites[NR_MISUSE_KINDS];
	struct pairing_seen seen;
	uint64_t nr_older;
	/* Address of a live block that was reallocated -> index of its REALLOC site << 32 | how
	 * often. */
	struct hmap chains;
	uint64_t in_flight; /* address of the block that a realloc has just freed; 0: none */
};

struct misuse {
	struct observer observer;
	struct model *model;
	struct by_process states;
	struct freed *freed;
	uint32_t nr_heaps;
	size_t nr_sites; /* of all */
	/* What pairing__differs said of functions lately, by their numbers. */
	struct {
		uint16_t func, free_func;
		bool known, differs;
	} pairs[NR_PAIRS];
};

static bool differs(struct misuse *misuse, uint16_t func, uint16_t free_func)
{
	unsigned at = (func * 31u + free_func) % NR_PAIRS;

	if (!misuse->pairs[at].known || misuse->pairs[at].func != func ||
	    misuse->pairs[at].free_func != free_func) {
		misuse->pairs[at].known = true;
		misuse->pairs[at].func = func;
		misuse->pairs[at].free_func = free_func;
		misuse->pairs[at].differs =
			pairing__differs(misuse->model->functions, func, free_func);
	}
	return misuse->pairs[at].differs;
}

/* The site of a key, or NULL where there are too many; event: what happened there. */
static struct misuse_site *site_of(struct misuse *misuse, struct state *state,
				   const struct heap_event *event, enum misuse_kind kind,
				   uint32_t stack, uint16_t func, uint16_t free_func)
{
	uint64_t key = (uint64_t)stack << 32 | (uint32_t)func << 16 | free_func;
	struct site_list *sites = &state->sites[kind];
	const uint64_t *index = hmap__find(&sites->by_key, key);

	if (index)
		return &sites->all[*index];
	if (misuse->nr_sites >= (kind > MISUSE_LAST_ERROR ? MAX_OTHERS : MISUSE_MAX_SITES)) {
		sites->nr_elsewhere += event->weight;
		return NULL;
	}
	misuse->nr_sites++;
	sites->all = array__grow(sites->all, sites->nr, &sites->capacity, sizeof(*sites->all));
	sites->all[sites->nr] =
		(struct misuse_site){ .stack = stack, .func = func, .free_func = free_func };
	hmap__set(&sites->by_key, key, sites->nr);
	return &sites->all[sites->nr++];
}

static uint32_t stack_of(const struct misuse *misuse, uint32_t id)
{
	return stacks__index(misuse->model->stacks, id);
}

/* What an event stands for at a site, which may be NULL; bytes: of it itself. before: its thread
 * and time are. */
static void count(struct misuse_site *site, const struct heap_event *event, uint64_t bytes,
		  uint32_t tid_before, uint64_t time_before_ns)
{
	if (!site)
		return;
	if (!site->sum.blocks) {
		site->addr = event->addr;
		site->time_ns = event->time_ns;
		site->tid = event->tid;
		site->tid_before = tid_before;
		site->time_before_ns = time_before_ns;
	}
	amount__add(&site->sum, (struct amount){ event->weight * bytes, event->weight });
	site->max_bytes = max(site->max_bytes, bytes);
}

/* Is something wanted of which only size, time and thread are known? */
static bool passes_unborn(const struct block_filter *filter, const struct heap_event *event)
{
	return event->bytes >= filter->min_bytes &&
	       (!filter->max_bytes || event->bytes <= filter->max_bytes) &&
	       event->time_ns >= filter->born_from_ns &&
	       (!filter->born_until_ns || event->time_ns < filter->born_until_ns) &&
	       (!filter->tid || event->tid == filter->tid) &&
	       block_filter__wants_call(filter, event->stack, event->func);
}

static struct freed *place_of(struct misuse *misuse, const struct state *state, uint64_t addr)
{
	return freed__place(misuse->freed, FREED_BITS, state->heap, addr);
}

static bool is_of(const struct freed *freed, const struct state *state, uint64_t addr)
{
	return freed->addr == addr && (freed->heap & ~FREED_HIDDEN) == state->heap;
}

/* A realloc of a block that had been, or is now, one of those that were reallocated. */
static void count_realloc(struct misuse *misuse, struct state *state,
			  const struct heap_event *event)
{
	const struct heap_block *old = event->old;
	uint64_t old_bytes = heap_block__bytes(old), weight = event->weight;
	const uint64_t *chain = hmap__find(&state->chains, old->addr);
	uint64_t nr = 1 + (chain ? (uint32_t)*chain : 0);
	struct site_list *sites = &state->sites[MISUSE_REALLOC];
	struct misuse_site *site = chain ? &sites->all[*chain >> 32]
					 : site_of(misuse, state, event, MISUSE_REALLOC,
						   stack_of(misuse, old->stack), old->func, 0);

	hmap__delete(&state->chains, old->addr);
	if (!site)
		return;
	count(site, event, old_bytes, 0, old->time_ns);
	if (event->addr != old->addr) {
		site->nr_moved += weight;
		site->copied_bytes += weight * min(old_bytes, event->bytes);
	}
	site->grown_bytes += weight * (event->bytes - min(old_bytes, event->bytes));
	site->max_chain = max(site->max_chain, nr);
	hmap__set(&state->chains, event->addr,
		  (uint64_t)(site - sites->all) << 32 | min(nr, (uint64_t)UINT32_MAX));
}

static void note_birth(struct misuse *misuse, struct state *state, const struct heap *heap,
		       const struct heap_event *event)
{
	pairing__see(&state->seen, event->func);
	if (!block_filter__passes(&misuse->model->filter, heap, event->block))
		return;
	if (!event->bytes)
		count(site_of(misuse, state, event, MISUSE_ZERO_SIZE,
			      stack_of(misuse, event->stack), event->func, 0),
		      event, 0, 0, 0);
	if (event->by_realloc && event->old)
		count_realloc(misuse, state, event);
}

static void note_mismatch(struct misuse *misuse, struct state *state,
			  const struct heap_event *event, uint32_t owner)
{
	const struct heap_block *block = event->block;
	struct misuse_site *site =
		site_of(misuse, state, event, MISUSE_MISMATCH, stack_of(misuse, block->stack),
			block->func, event->func);

	if (site && !site->sum.blocks)
		site->free_stack = stack_of(misuse, event->stack);
	count(site, event, event->bytes, owner, block->time_ns);
}

static void note_death(struct misuse *misuse, struct state *state, const struct heap *heap,
		       const struct heap_event *event)
{
	const struct model *model = misuse->model;
	const struct heap_block *block = event->block;
	bool passes = block_filter__passes(&model->filter, heap, block);
	uint32_t owner = heap__tid(heap, block);

	pairing__see(&state->seen, event->func);
	if (event->by_realloc)
		state->in_flight = event->addr;
	else if (state->chains.nr)
		hmap__delete(&state->chains, event->addr);
	*place_of(misuse, state, event->addr) =
		(struct freed){ .addr = event->addr,
				.time_ns = event->time_ns,
				.heap = state->heap | (passes ? 0 : FREED_HIDDEN),
				.stack = block->stack,
				.tid = event->tid,
				.func = block->func,
				.free_func = event->func };
	if (!passes)
		return;
	if (differs(misuse, block->func, event->func))
		note_mismatch(misuse, state, event, owner);
	if (owner && owner != event->tid)
		count(site_of(misuse, state, event, MISUSE_FOREIGN_FREE,
			      stack_of(misuse, block->stack), block->func, event->func),
		      event, event->bytes, owner, block->time_ns);
}

static void note_double_free(struct misuse *misuse, struct state *state,
			     const struct heap_event *event, const struct freed *before)
{
	struct misuse_site *site =
		site_of(misuse, state, event, MISUSE_DOUBLE_FREE, stack_of(misuse, before->stack),
			before->func, event->func);

	if (site && !site->sum.blocks) {
		site->func_before = before->free_func;
		site->free_stack = stack_of(misuse, event->stack);
	}
	count(site, event, 0, before->tid, before->time_ns);
	if (site)
		site->nr_unsure += misuse->model->nr_lost > 0;
}

/*
 * A free where no known block is. Had the address been given out since it was freed, that block
 * would be there still, or its own end would be what is remembered.
 */
static void note_unknown(struct misuse *misuse, struct state *state, const struct process *process,
			 const struct heap_event *event)
{
	const struct freed *before = place_of(misuse, state, event->addr);
	struct misuse_site *site;

	/* munmap may take any part of what was mapped. */
	if (!event->addr || pairing__is_mapping(misuse->model->functions, event->func))
		return;
	if (is_of(before, state, event->addr)) {
		if (!(before->heap & FREED_HIDDEN))
			note_double_free(misuse, state, event, before);
	} else if (!process->watched_whole) {
		state->nr_older++;
	} else if (passes_unborn(&misuse->model->filter, event)) {
		site = site_of(misuse, state, event, MISUSE_INVALID_FREE,
			       stack_of(misuse, event->stack), 0, event->func);
		count(site, event, 0, 0, 0);
		/* Older kernels let a child run before it is watched. */
		if (site)
			site->nr_unsure += misuse->model->nr_lost > 0 || process->shares_heap;
	}
}

static void note_failure(struct misuse *misuse, struct state *state, const struct heap_event *event)
{
	struct misuse_site *site;

	if (!passes_unborn(&misuse->model->filter, event))
		return;
	site = site_of(misuse, state, event, MISUSE_FAILED, stack_of(misuse, event->stack),
		       event->func, 0);
	count(site, event, event->bytes, 0, 0);
	if (site && event->injected)
		site->nr_injected += event->weight;
}

/* The second half of a realloc follows at once. When it does not, the block was freed. */
static void end_flight(struct state *state, const struct heap_event *event)
{
	bool lands = event->kind == HEAP_BORN && event->by_realloc && event->old &&
		     event->old->addr == state->in_flight;

	if (!state->in_flight || event->kind == HEAP_REPLACED)
		return;
	if (!lands)
		hmap__delete(&state->chains, state->in_flight);
	state->in_flight = 0;
}

static void happened(struct process *process, const struct heap_event *event, void *data)
{
	struct misuse *misuse = data;
	struct state *state = misuse->states.all[process->number];

	end_flight(state, event);
	switch (event->kind) {
	case HEAP_BORN:
		note_birth(misuse, state, process->heap, event);
		break;
	case HEAP_DIED:
		note_death(misuse, state, process->heap, event);
		break;
	case HEAP_REPLACED:
		hmap__delete(&state->chains, event->addr);
		break;
	case HEAP_UNKNOWN:
		note_unknown(misuse, state, process, event);
		break;
	case HEAP_FAILED:
		note_failure(misuse, state, event);
		break;
	}
}

static void clear(void *kept)
{
	struct state *state = kept;

	for (unsigned i = 0; i < NR_MISUSE_KINDS; i++) {
		free(state->sites[i].all);
		free(state->sites[i].sorted);
		hmap__clear(&state->sites[i].by_key);
	}
	pairing__clear_seen(&state->seen);
	hmap__clear(&state->chains);
	*state = (struct state){ 0 };
}

static void begin(struct process *process, void *data)
{
	struct misuse *misuse = data;
	struct state *state = by_process__get(&misuse->states, process, sizeof(*state));
	const struct process *parent = NULL;
	const struct state *from;

	for (unsigned i = 0; i < NR_MISUSE_KINDS; i++)
		misuse->nr_sites -= state->sites[i].nr;
	clear(state);
	/* After so many, two may share a number. */
	state->heap = ++misuse->nr_heaps % FREED_HIDDEN;
	if (process->shares_heap)
		parent = model__process(misuse->model, process->parent);
	from = parent ? by_process__find(&misuse->states, parent) : NULL;
	if (from && from != state)
		pairing__copy_seen(&state->seen, &from->seen);
}

/* What only served to find misuse is let go. */
static void end(struct process *process, void *data)
{
	struct misuse *misuse = data;
	struct state *state = misuse->states.all[process->number];

	hmap__clear(&state->chains);
	for (unsigned i = 0; i < NR_MISUSE_KINDS; i++)
		hmap__clear(&state->sites[i].by_key);
}

struct misuse *misuse__new(struct model *model)
{
	struct misuse *misuse = xcalloc(1, sizeof(*misuse));

	misuse->freed = freed__new(FREED_BITS);
	if (!misuse->freed) {
		free(misuse);
		return NULL;
	}
	misuse->model = model;
	misuse->observer =
		(struct observer){ .begin = begin, .event = happened, .end = end, .data = misuse };
	model__observe(model, &misuse->observer);
	return misuse;
}

void misuse__free(struct misuse *misuse)
{
	if (!misuse)
		return;
	by_process__clear(&misuse->states, clear);
	freed__free(misuse->freed, FREED_BITS);
	free(misuse);
}

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int by_number(const void *left, const void *right)
{
	const struct misuse_site *a = left, *b = right;

	if (a->sum.blocks != b->sum.blocks)
		return compare(a->sum.blocks, b->sum.blocks);
	if (a->sum.bytes != b->sum.bytes)
		return compare(a->sum.bytes, b->sum.bytes);
	return compare(b->time_ns, a->time_ns);
}

static int by_copied_bytes(const void *left, const void *right)
{
	const struct misuse_site *a = left, *b = right;

	if (a->copied_bytes != b->copied_bytes)
		return compare(a->copied_bytes, b->copied_bytes);
	return by_number(left, right);
}

static struct misuse_list list_of(const struct misuse *misuse, struct state *state,
				  enum misuse_kind kind)
{
	struct site_list *sites = &state->sites[kind];
	struct misuse_list list = { .nr_elsewhere = sites->nr_elsewhere };

	free(sites->sorted);
	sites->sorted = xcalloc(sites->nr, sizeof(*sites->sorted));
	for (size_t i = 0; i < sites->nr; i++) {
		const struct misuse_site *site = &sites->all[i];

		if (kind == MISUSE_MISMATCH &&
		    !pairing__is_sure(misuse->model->functions, &state->seen, site->func,
				      site->free_func))
			continue;
		sites->sorted[list.nr_sites++] = *site;
		amount__add(&list.sum, site->sum);
		list.nr_unsure += site->nr_unsure;
	}
	list.sum.blocks += list.nr_elsewhere;
	if (list.nr_sites)
		qsort(sites->sorted, list.nr_sites, sizeof(*sites->sorted),
		      kind == MISUSE_REALLOC ? by_copied_bytes : by_number);
	list.sites = sites->sorted;
	return list;
}

struct misuse_process misuse__of(struct misuse *misuse, const struct process *process)
{
	struct state *state = by_process__find(&misuse->states, process);
	struct selfcheck check = selfcheck__run(misuse->model, process);
	struct misuse_process result = { .doubtful = check.suspicious };

	if (!state)
		return result;
	result.nr_older = state->nr_older;
	for (unsigned i = 0; i < NR_MISUSE_KINDS; i++) {
		struct misuse_list *list = &result.lists[i];
		bool is_sure = !result.doubtful || i == MISUSE_MISMATCH;

		*list = list_of(misuse, state, i);
		if (i <= MISUSE_LAST_ERROR && is_sure)
			result.nr_errors += list->sum.blocks - list->nr_unsure -
					    (i == MISUSE_MISMATCH ? list->nr_elsewhere : 0);
	}
	return result;
}
