// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/modmap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/util.h"

struct modmap {
	struct module *modules;
	size_t nr_modules, modules_capacity;
	struct location *locations;
	size_t nr_locations, locations_capacity;
	struct modmap_work work;
	struct hmap by_hash; /* hash of a location, or the next free number after it -> its index */
};

struct modmap *modmap__new(void)
{
	return xcalloc(1, sizeof(struct modmap));
}

struct modmap_work *modmap__work(struct modmap *map)
{
	return &map->work;
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
	free(map->locations);
	hmap__clear(&map->by_hash);
	free(map);
}

uint32_t modmap__add_module(struct modmap *map, const char *path, const uint8_t *build_id,
			    uint32_t build_id_len, uint32_t flags, int fd)
{
	struct module *module;

	map->modules = array__grow(map->modules, map->nr_modules, &map->modules_capacity,
				   sizeof(*map->modules));
	module = &map->modules[map->nr_modules];
	*module = (struct module){ .path = xstrdup(path), .flags = flags, .fd = fd };
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

uint32_t modmap__intern(struct modmap *map, uint32_t module, uint64_t vaddr)
{
	struct location new = { .vaddr = vaddr, .module = module };
	uint64_t key;

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
