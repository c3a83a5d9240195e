// SPDX-License-Identifier: BSD-2-Clause
#include "base/keyset.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

size_t keyset__add(struct keyset *set, const void *key)
{
	uint64_t hash = hash__bytes(key, set->key_size);
	const uint64_t *number;

	/* Two keys of one 64-bit hash: the second takes the next free one. */
	for (; (number = hmap__find(&set->by_hash, hash)); hash++)
		if (!memcmp(keyset__key(set, *number), key, set->key_size))
			return *number;
	set->keys = array__grow(set->keys, set->nr, &set->capacity, set->key_size);
	memcpy(set->keys + set->nr * set->key_size, key, set->key_size);
	hmap__set(&set->by_hash, hash, set->nr);
	return set->nr++;
}

const void *keyset__key(const struct keyset *set, size_t number)
{
	return set->keys + number * set->key_size;
}

void keyset__clear(struct keyset *set)
{
	free(set->keys);
	hmap__clear(&set->by_hash);
	*set = (struct keyset){ .key_size = set->key_size };
}
