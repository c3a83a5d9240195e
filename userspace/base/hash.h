/* SPDX-License-Identifier: BSD-2-Clause */
/* Hashing by xxHash, and the one small hash table that serves where nothing special is needed. */
#ifndef HASH_H
#define HASH_H

#define XXH_INLINE_ALL
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

static inline uint64_t hash__bytes(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}

static inline uint64_t hash__u64(uint64_t value)
{
	return XXH3_64bits(&value, sizeof(value));
}

/* u64 -> u64, open addressing. Zero-initialise; any key and value may be stored. */
struct hmap {
	struct hmap_slot *slots;
	size_t nr, capacity; /* capacity: a power of two, or 0 */
};

/* The value of key, or NULL. The pointer lives until the next hmap__set or hmap__delete. */
uint64_t *hmap__find(const struct hmap *map, uint64_t key);
/* Stores value under key, replacing what was there. */
void hmap__set(struct hmap *map, uint64_t key, uint64_t value);
/* Removes key; false when it was not there. */
bool hmap__delete(struct hmap *map, uint64_t key);
/* Frees the slots and leaves an empty map. */
void hmap__clear(struct hmap *map);
/* Iterates: start with *at = 0; false at the end. */
bool hmap__next(const struct hmap *map, size_t *at, uint64_t *key, uint64_t *value);

#endif /* HASH_H */
