// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mappings are kept sorted by address, those of the past among those of the present. Each knows
 * the highest end of all before it, so a search walks back only as far as something may overlap.
 */
#include "symbol/modmap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/util.h"

struct mapping {
	uint64_t start, end;
	uint64_t max_end; /* the highest end among this and all mappings sorted before it */
	uint64_t time_ns;
	uint64_t vaddr;
	uint32_t module;
	uint32_t order; /* of arrival: decides between equal times */
};

struct modmap {
	struct module *modules;
	size_t nr_modules, modules_capacity;
	struct mapping *mappings;
	size_t nr_mappings, mappings_capacity;
	struct location *locations;
	size_t nr_locations, locations_capacity;
	struct hmap by_hash; /* hash of a location, or the next free number after it -> its index */
	uint32_t next_order;
};

struct modmap *modmap__new(void)
{
	return xcalloc(1, sizeof(struct modmap));
}

void modmap__free(struct modmap *map)
{
	if (!map)
		return;
	for (size_t i = 0; i < map->nr_modules; i++) {
		free(map->modules[i].path);
		if (map->modules[i].fd >= 0)
			close(map->modules[i].fd);
	}
	free(map->modules);
	free(map->mappings);
	free(map->locations);
	hmap__clear(&map->by_hash);
	free(map);
}

uint32_t modmap__add_module(struct modmap *map, const char *path, const uint8_t *build_id,
			    uint32_t build_id_len, int fd)
{
	struct module *module;

	map->modules = array__grow(map->modules, map->nr_modules, &map->modules_capacity,
				   sizeof(*map->modules));
	module = &map->modules[map->nr_modules];
	*module = (struct module){ .path = xstrdup(path), .fd = fd };
	module->build_id_len = min(build_id_len, (uint32_t)MODULE_MAX_BUILD_ID);
	if (module->build_id_len)
		memcpy(module->build_id, build_id, module->build_id_len);
	return (uint32_t)map->nr_modules++;
}

uint32_t modmap__nr_modules(const struct modmap *map)
{
	return (uint32_t)map->nr_modules;
}

const struct module *modmap__module(const struct modmap *map, uint32_t id)
{
	return id < map->nr_modules ? &map->modules[id] : NULL;
}

/* The number of mappings that start at or before address. */
static size_t upper_bound(const struct modmap *map, uint64_t address)
{
	size_t low = 0, high = map->nr_mappings;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->mappings[middle].start <= address)
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
static const struct mapping *find_mapping(const struct modmap *map, uint64_t address,
					  uint64_t time_ns)
{
	const struct mapping *past = NULL, *future = NULL;

	for (size_t i = upper_bound(map, address); i-- > 0;) {
		const struct mapping *m = &map->mappings[i];

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
static bool is_known(const struct modmap *map, const struct mapping *new)
{
	const struct mapping *same = NULL, *newest = NULL;

	for (size_t i = upper_bound(map, new->end - 1); i-- > 0;) {
		const struct mapping *m = &map->mappings[i];

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

void modmap__add_mapping(struct modmap *map, uint64_t time_ns, uint64_t start, uint64_t end,
			 uint64_t vaddr, uint32_t module)
{
	struct mapping new = {
		.start = start, .end = end, .time_ns = time_ns, .vaddr = vaddr, .module = module
	};
	uint64_t max_end;
	size_t at;

	if (module >= map->nr_modules || start >= end || is_known(map, &new))
		return;
	new.order = map->next_order++;
	map->mappings = array__grow(map->mappings, map->nr_mappings, &map->mappings_capacity,
				    sizeof(*map->mappings));
	at = upper_bound(map, start);
	memmove(&map->mappings[at + 1], &map->mappings[at],
		(map->nr_mappings - at) * sizeof(*map->mappings));
	map->mappings[at] = new;
	map->nr_mappings++;
	max_end = at ? map->mappings[at - 1].max_end : 0;
	for (; at < map->nr_mappings; at++) {
		max_end = max(max_end, map->mappings[at].end);
		map->mappings[at].max_end = max_end;
	}
}

uint32_t modmap__locate(struct modmap *map, uint64_t address, uint64_t time_ns)
{
	/* Address 0 has nothing before it: it wraps to where nothing is mapped either. */
	const struct mapping *mapping = find_mapping(map, address - 1, time_ns);
	struct location new = { .address = address, .vaddr = address, .module = MODMAP_NO_MODULE };
	uint64_t key;

	if (mapping) {
		new.vaddr = address - mapping->start + mapping->vaddr;
		new.module = mapping->module;
	}
	for (key = hash__bytes(&new, sizeof(new));; key++) {
		const uint64_t *index = hmap__find(&map->by_hash, key);

		if (!index)
			break;
		if (!memcmp(&map->locations[*index], &new, sizeof(new)))
			return (uint32_t)*index;
	}
	map->locations = array__grow(map->locations, map->nr_locations, &map->locations_capacity,
				     sizeof(*map->locations));
	map->locations[map->nr_locations] = new;
	hmap__set(&map->by_hash, key, map->nr_locations);
	return (uint32_t)map->nr_locations++;
}

uint32_t modmap__nr_locations(const struct modmap *map)
{
	return (uint32_t)map->nr_locations;
}

const struct location *modmap__location(const struct modmap *map, uint32_t index)
{
	return index < map->nr_locations ? &map->locations[index] : NULL;
}
