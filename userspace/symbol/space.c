// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mappings are kept sorted by address, those of the past among those of the present. Each knows
 * the highest end of all before it, so a search walks back only as far as something may overlap.
 */
#include "symbol/space.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

struct mapping {
	uint64_t start, end;
	uint64_t max_end; /* the highest end among this and all mappings sorted before it */
	uint64_t time_ns;
	uint64_t vaddr;
	uint32_t module;
	uint32_t order; /* of arrival: decides between equal times */
};

/* Shared by a process and those it forked, for as long as none of them maps anything: most children
 * of a shell never do. */
struct table {
	size_t nr_users;
	struct mapping *mappings;
	size_t nr_mappings, mappings_capacity;
	uint32_t next_order;
};

struct space {
	struct modmap *map;
	struct table *table;
};

struct space *space__new(struct modmap *map)
{
	struct space *space = xcalloc(1, sizeof(*space));

	space->map = map;
	space->table = xcalloc(1, sizeof(*space->table));
	space->table->nr_users = 1;
	return space;
}

struct space *space__copy(const struct space *space)
{
	struct space *copy = xcalloc(1, sizeof(*copy));

	*copy = *space;
	copy->table->nr_users++;
	return copy;
}

static void leave_table(struct table *table)
{
	if (--table->nr_users)
		return;
	free(table->mappings);
	free(table);
}

void space__free(struct space *space)
{
	if (!space)
		return;
	leave_table(space->table);
	free(space);
}

/* The space's table, for it alone to change. */
static struct table *own_table(struct space *space)
{
	const struct table *shared = space->table;
	struct table *own;

	if (shared->nr_users == 1)
		return space->table;
	own = xcalloc(1, sizeof(*own));
	*own = *shared;
	own->nr_users = 1;
	own->mappings_capacity = shared->nr_mappings;
	own->mappings = xreallocarray(NULL, own->mappings_capacity, sizeof(*own->mappings));
	if (own->nr_mappings)
		memcpy(own->mappings, shared->mappings, own->nr_mappings * sizeof(*own->mappings));
	leave_table(space->table);
	space->table = own;
	return own;
}

/*
 * In a stranger's recording everything may overlap everything, and a search may have to look at all
 * there is. What searches may cost in all: many times what those of any real program do; then each
 * takes a few steps only.
 */
#define FREE_STEPS	 (1ull << 26)
#define STEPS_PER_SEARCH 256

/* How many mappings one search may look at. */
static size_t begin_search(const struct space *space)
{
	struct modmap_work *work = modmap__work(space->map);

	if (work->nr_steps <= FREE_STEPS + STEPS_PER_SEARCH * work->nr_searches++)
		return SIZE_MAX;
	if (!work->warned)
		log_warn("More mappings of programs and libraries overlap than can be searched: "
			 "some code may have the name of other code.");
	work->warned = true;
	return STEPS_PER_SEARCH;
}

static void end_search(const struct space *space, size_t nr_steps)
{
	modmap__work(space->map)->nr_steps += nr_steps;
}

/* The number of mappings that start at or before address. */
static size_t upper_bound(const struct table *table, uint64_t address)
{
	size_t low = 0, high = table->nr_mappings;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->mappings[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_newer(const struct mapping *a, const struct mapping *b)
{
	return a->time_ns != b->time_ns ? a->time_ns > b->time_ns : a->order > b->order;
}

/* Of several mappings in any order: the newest at a time and, where there is none, the first that
 * comes later. */
struct choice {
	const struct mapping *past, *future;
};

static void consider(struct choice *choice, const struct mapping *m, uint64_t time_ns)
{
	if (m->time_ns <= time_ns)
		choice->past = choice->past && is_newer(choice->past, m) ? choice->past : m;
	else
		choice->future = choice->future && is_newer(m, choice->future) ? choice->future : m;
}

/*
 * What was mapped at an address at a time: the newest mapping so far. When there is none yet, the
 * first that comes later: when watching begins, samples may overtake the list of mappings.
 */
static const struct mapping *find_mapping(const struct space *space, uint64_t address,
					  uint64_t time_ns)
{
	const struct table *table = space->table;
	size_t from = upper_bound(table, address), steps = 0, most = begin_search(space);
	struct choice choice = { NULL, NULL };

	for (; steps < min(from, most); steps++) {
		const struct mapping *m = &table->mappings[from - 1 - steps];

		if (m->max_end <= address)
			break;
		if (m->end > address)
			consider(&choice, m, time_ns);
	}
	end_search(space, steps);
	return choice.past ? choice.past : choice.future;
}

/*
 * Is this very mapping there already, with nothing newer over any part of it? A plugin that is
 * loaded and unloaded again and again at one place would make a pile to search otherwise.
 */
static bool is_known(const struct space *space, const struct mapping *new)
{
	const struct table *table = space->table;
	size_t from = upper_bound(table, new->end - 1), steps = 0, most = begin_search(space);
	const struct mapping *same = NULL, *newest = NULL;

	for (; steps < min(from, most); steps++) {
		const struct mapping *m = &table->mappings[from - 1 - steps];

		if (m->max_end <= new->start)
			break;
		if (m->end <= new->start)
			continue;
		if (!newest || is_newer(m, newest))
			newest = m;
		if (m->start == new->start && m->end == new->end && m->vaddr == new->vaddr &&
		    m->module == new->module && (!same || is_newer(m, same)))
			same = m;
	}
	end_search(space, steps);
	return same && same == newest && same->time_ns <= new->time_ns;
}

/* May all that begins behind start be moved? */
static bool may_move(const struct space *space, uint64_t start)
{
	size_t nr = space->table->nr_mappings - upper_bound(space->table, start);
	bool may = nr <= begin_search(space);

	end_search(space, may ? nr : 0);
	return may;
}

void space__add_mapping(struct space *space, uint64_t time_ns, uint64_t start, uint64_t end,
			uint64_t vaddr, uint32_t module)
{
	struct mapping new = {
		.start = start, .end = end, .time_ns = time_ns, .vaddr = vaddr, .module = module
	};
	struct table *table;
	uint64_t max_end;
	size_t at;

	if (module >= modmap__nr_modules(space->map) || start >= end || is_known(space, &new) ||
	    !may_move(space, start))
		return;
	table = own_table(space);
	new.order = table->next_order++;
	table->mappings = array__grow(table->mappings, table->nr_mappings,
				      &table->mappings_capacity, sizeof(*table->mappings));
	at = upper_bound(table, start);
	memmove(&table->mappings[at + 1], &table->mappings[at],
		(table->nr_mappings - at) * sizeof(*table->mappings));
	table->mappings[at] = new;
	table->nr_mappings++;
	max_end = at ? table->mappings[at - 1].max_end : 0;
	for (; at < table->nr_mappings; at++) {
		max_end = max(max_end, table->mappings[at].end);
		table->mappings[at].max_end = max_end;
	}
}

size_t space__nr_mappings(const struct space *space)
{
	return space->table->nr_mappings;
}

uint32_t space__module(const struct space *space, size_t number)
{
	return space->table->mappings[number].module;
}

bool space__range_at(const struct space *space, const struct module *module, uint64_t address,
		     struct space_range *range)
{
	const struct table *table = space->table;
	size_t from = upper_bound(table, address - 1), steps = 0, most = begin_search(space);
	const struct mapping *found = NULL;

	for (; steps < min(from, most); steps++) {
		const struct mapping *m = &table->mappings[from - 1 - steps];

		if (m->max_end <= address - 1)
			break;
		if (m->end > address - 1 && modmap__module(space->map, m->module) == module &&
		    (!found || is_newer(m, found)))
			found = m;
	}
	end_search(space, steps);
	if (found)
		*range = (struct space_range){ found->start, found->end, found->vaddr };
	return found;
}

uint32_t space__locate(const struct space *space, uint64_t address, uint64_t time_ns)
{
	/* Address 0 has nothing before it: it wraps to where nothing is mapped either. */
	const struct mapping *mapping = find_mapping(space, address - 1, time_ns);

	if (!mapping)
		return modmap__intern(space->map, MODMAP_NO_MODULE, address);
	return modmap__intern(space->map, mapping->module,
			      address - mapping->start + mapping->vaddr);
}

uint64_t space__address(const struct space *space, const struct location *location,
			uint64_t time_ns)
{
	const struct table *table = space->table;
	struct choice choice = { NULL, NULL };
	const struct mapping *found;
	size_t nr;

	if (location->module == MODMAP_NO_MODULE)
		return location->vaddr;
	nr = min(table->nr_mappings, begin_search(space));
	end_search(space, nr);
	for (size_t i = 0; i < nr; i++) {
		const struct mapping *m = &table->mappings[i];

		/* As in space__locate, the byte before counts. */
		if (m->module == location->module &&
		    location->vaddr - 1 - m->vaddr < m->end - m->start)
			consider(&choice, m, time_ns);
	}
	found = choice.past ? choice.past : choice.future;
	return found ? location->vaddr - found->vaddr + found->start : location->vaddr;
}
