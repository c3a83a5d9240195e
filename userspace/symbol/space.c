// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mappings are kept sorted by address, those of the past among those of the present. Each knows
 * the highest end of all before it, so a search walks back only as far as something may overlap.
 */
#include "symbol/space.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct mapping {
	uint64_t start, end;
	uint64_t max_end; /* the highest end among this and all mappings sorted before it */
	uint64_t time_ns;
	uint64_t vaddr;
	uint32_t module;
	uint32_t order; /* of arrival: decides between equal times */
};

struct space {
	struct mapping *mappings;
	size_t nr_mappings, mappings_capacity;
	uint32_t next_order;
};

struct space *space__new(void)
{
	return xcalloc(1, sizeof(struct space));
}

void space__free(struct space *space)
{
	if (!space)
		return;
	free(space->mappings);
	free(space);
}

struct space *space__copy(const struct space *from)
{
	struct space *space = space__new();

	*space = *from;
	space->mappings = xcalloc(max(from->nr_mappings, (size_t)1), sizeof(*space->mappings));
	space->mappings_capacity = max(from->nr_mappings, (size_t)1);
	if (from->nr_mappings)
		memcpy(space->mappings, from->mappings,
		       from->nr_mappings * sizeof(*space->mappings));
	return space;
}

/* The number of mappings that start at or before address. */
static size_t upper_bound(const struct space *space, uint64_t address)
{
	size_t low = 0, high = space->nr_mappings;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->mappings[middle].start <= address)
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

/*
 * What was mapped at an address at a time: the newest mapping so far. When there is none yet, the
 * first that comes later: when watching begins, samples may overtake the list of mappings.
 */
static const struct mapping *find_mapping(const struct space *space, uint64_t address,
					  uint64_t time_ns)
{
	const struct mapping *past = NULL, *future = NULL;

	for (size_t i = upper_bound(space, address); i-- > 0;) {
		const struct mapping *m = &space->mappings[i];

		if (m->max_end <= address)
			break;
		if (m->end <= address)
			continue;
		if (m->time_ns <= time_ns)
			past = past && is_newer(past, m) ? past : m;
		else
			future = future && is_newer(m, future) ? future : m;
	}
	return past ? past : future;
}

/*
 * Is this very mapping there already, with nothing newer over any part of it? A plugin that is
 * loaded and unloaded again and again at one place would make a pile to search otherwise.
 */
static bool is_known(const struct space *space, const struct mapping *new)
{
	const struct mapping *same = NULL, *newest = NULL;

	for (size_t i = upper_bound(space, new->end - 1); i-- > 0;) {
		const struct mapping *m = &space->mappings[i];

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
	return same && same == newest && same->time_ns <= new->time_ns;
}

void space__add(struct space *space, uint64_t time_ns, uint64_t start, uint64_t end,
			 uint64_t vaddr, uint32_t module)
{
	struct mapping new = {
		.start = start, .end = end, .time_ns = time_ns, .vaddr = vaddr, .module = module
	};
	uint64_t max_end;
	size_t at;

	if (start >= end || is_known(space, &new))
		return;
	new.order = space->next_order++;
	space->mappings = array__grow(space->mappings, space->nr_mappings, &space->mappings_capacity,
				    sizeof(*space->mappings));
	at = upper_bound(space, start);
	memmove(&space->mappings[at + 1], &space->mappings[at],
		(space->nr_mappings - at) * sizeof(*space->mappings));
	space->mappings[at] = new;
	space->nr_mappings++;
	max_end = at ? space->mappings[at - 1].max_end : 0;
	for (; at < space->nr_mappings; at++) {
		max_end = max(max_end, space->mappings[at].end);
		space->mappings[at].max_end = max_end;
	}
}

bool space__find(const struct space *space, uint64_t address, uint64_t time_ns, uint64_t *vaddr,
		 uint32_t *module)
{
	const struct mapping *mapping = find_mapping(space, address, time_ns);

	if (!mapping)
		return false;
	*vaddr = address - mapping->start + mapping->vaddr;
	*module = mapping->module;
	return true;
}

size_t space__count(const struct space *space)
{
	return space->nr_mappings;
}
