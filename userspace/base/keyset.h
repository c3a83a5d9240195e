/* SPDX-License-Identifier: BSD-2-Clause */
/* Interned keys of one fixed size: equal bytes, equal number. What strtab is for texts. */
#ifndef KEYSET_H
#define KEYSET_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* Initialise with the size only. Numbers count from 0 in the order of first sight. */
struct keyset {
	size_t key_size;
	char *keys;
	size_t nr, capacity;
	struct hmap by_hash; /* hash of the key -> number */
};

/* The number of a key, added where new. Padding counts: zero it. */
size_t keyset__add(struct keyset *set, const void *key);
/* The key of a number below set->nr; lives until the next keyset__add. */
const void *keyset__key(const struct keyset *set, size_t number);
void keyset__clear(struct keyset *set);

#endif /* KEYSET_H */
