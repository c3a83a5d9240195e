// SPDX-License-Identifier: BSD-2-Clause
#include "report/profile.h"

#include <stdlib.h>

#include "base/util.h"

/*
 * What every site had at the peak is not copied when a peak comes: each site keeps its share of the
 * newest peak from the moment on at which it first changes after it. Peaks are numbered; a site
 * whose number is not the newest has not changed since, so what is live of it is its share.
 *
 * What an allocation changes stands together, and what a free does: each touches few lines of
 * memory.
 */
struct site_state {
	struct amount peak;
	struct amount total; /* what was freed is the rest of it */
	struct amount live;
	uint64_t peak_number;
	uint32_t stack; /* by its id: indexes are looked for at the end */
	uint16_t func;
	unsigned __int128 lifetime_ns;
	struct amount temporary;
	uint64_t nr_replaced; /* of the freed: nobody knows how long they lived */
};

/* Of the table that finds a site: it is searched twice a block, so it is one of its own. */
struct slot {
	uint32_t stack;
	uint16_t func;
	uint16_t used;
	uint32_t site; /* index */
};

struct state {
	struct site_state *sites;
	size_t nr, capacity;
	struct slot *slots; /* open addressing */
	size_t nr_slots;    /* a power of two, or 0 */
	uint64_t peak_number, peak_ns;
	struct amount live, peak; /* of all blocks, whatever the filter */
	struct profile_site *result;
};

struct profile {
	struct observer observer;
	struct model *model;
	struct state **states; /* by process->number; NULL: nothing came */
	size_t nr, capacity;
};

static struct state *state_of(struct profile *profile, const struct process *process)
{
	while (profile->nr <= process->number) {
		profile->states = array__grow(profile->states, profile->nr, &profile->capacity,
					      sizeof(struct state *));
		profile->states[profile->nr++] = NULL;
	}
	if (!profile->states[process->number])
		profile->states[process->number] = xcalloc(1, sizeof(struct state));
	return profile->states[process->number];
}

/* Where a site is, or would go. */
static struct slot *find_slot(const struct state *state, uint32_t stack, uint16_t func)
{
	uint64_t hash = ((uint64_t)stack << 16 | func) * 0x9e3779b97f4a7c15;
	size_t mask = state->nr_slots - 1;

	for (size_t i = hash >> 32 & mask;; i = (i + 1) & mask) {
		struct slot *slot = &state->slots[i];

		if (!slot->used || (slot->stack == stack && slot->func == func))
			return slot;
	}
}

static void grow_slots(struct state *state)
{
	struct slot *old = state->slots;
	size_t nr_old = state->nr_slots;

	state->nr_slots = nr_old ? 2 * nr_old : 64;
	state->slots = xcalloc(state->nr_slots, sizeof(*state->slots));
	for (size_t i = 0; i < nr_old; i++)
		if (old[i].used)
			*find_slot(state, old[i].stack, old[i].func) = old[i];
	free(old);
}

static struct site_state *site_of(struct state *state, uint32_t stack, uint16_t func)
{
	struct slot *slot;

	if (state->nr >= state->nr_slots / 4 * 3)
		grow_slots(state);
	slot = find_slot(state, stack, func);
	if (slot->used)
		return &state->sites[slot->site];
	*slot = (struct slot){
		.stack = stack, .func = func, .used = true, .site = (uint32_t)state->nr
	};
	state->sites =
		array__grow(state->sites, state->nr, &state->capacity, sizeof(*state->sites));
	state->sites[state->nr] = (struct site_state){ .stack = stack, .func = func };
	return &state->sites[state->nr++];
}

/* Before what is live of a site changes. */
static void touch(const struct state *state, struct site_state *site)
{
	if (site->peak_number == state->peak_number)
		return;
	site->peak = site->live;
	site->peak_number = state->peak_number;
}

static void note_peak(struct state *state, uint64_t time_ns)
{
	if (state->live.bytes <= state->peak.bytes)
		return;
	state->peak = state->live;
	state->peak_ns = time_ns;
	state->peak_number++;
}

static struct site_state *touched_site(struct state *state, const struct heap_block *block)
{
	struct site_state *site = site_of(state, block->stack, block->func);

	touch(state, site);
	return site;
}

static void add_block(struct profile *profile, struct state *state, const struct heap *heap,
		      const struct heap_block *block, uint64_t time_ns)
{
	const struct amount amount = amount__of_block(block);

	if (block_filter__passes(&profile->model->filter, heap, block)) {
		struct site_state *site = touched_site(state, block);

		amount__add(&site->live, amount);
		amount__add(&site->total, amount);
	}
	amount__add(&state->live, amount);
	note_peak(state, time_ns);
}

/* event: its end; a block whose free was lost is counted as freed, but not how long it lived. */
static void remove_block(struct profile *profile, struct state *state, const struct heap *heap,
			 const struct heap_event *event)
{
	const struct heap_block *block = event->block;
	const struct amount amount = amount__of_event(event);

	if (block_filter__passes(&profile->model->filter, heap, block)) {
		struct site_state *site = touched_site(state, block);

		amount__take(&site->live, amount);
		if (event->temporary)
			amount__add(&site->temporary, amount);
		if (event->kind == HEAP_DIED)
			site->lifetime_ns += (unsigned __int128)event->weight *
					     (event->time_ns - min(block->time_ns, event->time_ns));
		else
			site->nr_replaced += event->weight;
	}
	amount__take(&state->live, amount);
}

static void happened(struct process *process, const struct heap_event *event, void *data)
{
	struct profile *profile = data;
	struct state *state = profile->states[process->number];

	if (event->kind == HEAP_BORN)
		add_block(profile, state, process->heap, event->block, event->time_ns);
	else if (event->kind == HEAP_DIED || event->kind == HEAP_REPLACED)
		remove_block(profile, state, process->heap, event);
}

static void clear(struct state *state)
{
	free(state->sites);
	free(state->result);
	free(state->slots);
	*state = (struct state){ 0 };
}

struct inheritance {
	struct profile *profile;
	struct state *state;
	const struct heap *heap;
	uint64_t time_ns;
};

static void inherit(const struct heap_block *block, void *data)
{
	struct inheritance *to = data;

	add_block(to->profile, to->state, to->heap, block, to->time_ns);
}

/* A process begins, or another program in it. */
static void begin(struct process *process, void *data)
{
	struct profile *profile = data;
	struct inheritance inheritance = { .profile = profile,
					   .state = state_of(profile, process),
					   .heap = process->heap,
					   .time_ns = profile->model->end_ns };

	clear(inheritance.state);
	heap__for_each(process->heap, inherit, &inheritance);
}

/* No more will come: what only served to add up is let go. */
static void end(struct process *process, void *data)
{
	struct profile *profile = data;
	struct state *state = profile->states[process->number];

	free(state->slots);
	state->slots = NULL;
	state->nr_slots = 0;
	if (state->nr)
		state->sites = xreallocarray(state->sites, state->nr, sizeof(*state->sites));
	state->capacity = state->nr;
}

struct profile *profile__new(struct model *model)
{
	struct profile *profile = xcalloc(1, sizeof(*profile));

	profile->model = model;
	profile->observer =
		(struct observer){ .begin = begin, .event = happened, .end = end, .data = profile };
	model__observe(model, &profile->observer);
	return profile;
}

void profile__free(struct profile *profile)
{
	if (!profile)
		return;
	for (size_t i = 0; i < profile->nr; i++) {
		if (profile->states[i])
			clear(profile->states[i]);
		free(profile->states[i]);
	}
	free(profile->states);
	free(profile);
}

static struct costs costs_of(const struct site_state *site)
{
	struct costs costs = {
		.of = { [COST_LIVE] = site->live,
			[COST_PEAK] = site->peak,
			[COST_TOTAL] = site->total,
			[COST_TEMPORARY] = site->temporary,
			[COST_FREED] = site->total },
		.lifetime_ns = site->lifetime_ns,
	};

	amount__take(&costs.of[COST_FREED], site->live);
	costs.nr_lifetimes = costs.of[COST_FREED].blocks - site->nr_replaced;
	return costs;
}

struct profile_process profile__of(struct profile *profile, const struct process *process)
{
	struct state *state;

	if (process->number >= profile->nr || !profile->states[process->number])
		return (struct profile_process){ 0 };
	state = profile->states[process->number];
	free(state->result);
	state->result = xcalloc(state->nr, sizeof(*state->result));
	for (size_t i = 0; i < state->nr; i++) {
		struct site_state *site = &state->sites[i];

		touch(state, site);
		state->result[i] = (struct profile_site){
			.stack = stacks__index(profile->model->stacks, site->stack),
			.func = site->func,
			.costs = costs_of(site),
		};
	}
	return (struct profile_process){ .sites = state->result,
					 .nr_sites = state->nr,
					 .peak_ns = state->peak_ns,
					 .peak = state->peak };
}
