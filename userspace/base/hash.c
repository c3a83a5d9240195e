// SPDX-License-Identifier: BSD-2-Clause
#include "base/hash.h"

#include <stdlib.h>

#include "base/util.h"

struct hmap_slot {
	uint64_t key;
	uint64_t value;
	bool used;
};

/* The slot that holds key, or the free one where it would go. There is always a free slot. */
static struct hmap_slot *probe(const struct hmap *map, uint64_t key)
{
	size_t mask = map->capacity - 1;
	size_t i = hash__u64(key) & mask;

	while (map->slots[i].used && map->slots[i].key != key)
		i = (i + 1) & mask;
	return &map->slots[i];
}

uint64_t *hmap__find(const struct hmap *map, uint64_t key)
{
	struct hmap_slot *slot;

	if (!map->capacity)
		return NULL;
	slot = probe(map, key);
	return slot->used ? &slot->value : NULL;
}

static void grow(struct hmap *map)
{
	struct hmap bigger = { .capacity = map->capacity ? map->capacity * 2 : 16, .nr = map->nr };

	bigger.slots = xcalloc(bigger.capacity, sizeof(*bigger.slots));
	for (size_t i = 0; i < map->capacity; i++)
		if (map->slots[i].used)
			*probe(&bigger, map->slots[i].key) = map->slots[i];
	free(map->slots);
	*map = bigger;
}

void hmap__set(struct hmap *map, uint64_t key, uint64_t value)
{
	struct hmap_slot *slot;

	if (map->nr * 4 >= map->capacity * 3)
		grow(map);
	slot = probe(map, key);
	map->nr += !slot->used;
	*slot = (struct hmap_slot){ .key = key, .value = value, .used = true };
}

bool hmap__delete(struct hmap *map, uint64_t key)
{
	size_t mask = map->capacity - 1, hole, i;
	struct hmap_slot *slot;

	if (!map->capacity)
		return false;
	slot = probe(map, key);
	if (!slot->used)
		return false;
	/* Close the gap: move back every later slot of the run that may stand in the hole. */
	hole = (size_t)(slot - map->slots);
	for (i = (hole + 1) & mask; map->slots[i].used; i = (i + 1) & mask) {
		size_t home = hash__u64(map->slots[i].key) & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole].used = false;
	map->nr--;
	return true;
}

void hmap__clear(struct hmap *map)
{
	free(map->slots);
	*map = (struct hmap){ 0 };
}

bool hmap__next(const struct hmap *map, size_t *at, uint64_t *key, uint64_t *value)
{
	for (; *at < map->capacity; (*at)++) {
		if (!map->slots[*at].used)
			continue;
		*key = map->slots[*at].key;
		*value = map->slots[*at].value;
		(*at)++;
		return true;
	}
	return false;
}
