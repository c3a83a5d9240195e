/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of rows that come again and again, kept as they are written. */
#ifndef CELLS_H
#define CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct cell {
	char *text; /* no NUL */
	size_t len;
	uint64_t note; /* the caller's */
};

/* Zero-initialise. */
struct cells {
	struct cell *all;
	size_t nr, capacity;
	struct hmap by_key; /* -> index */
	size_t bytes;
};

/* NULL: it is not there, or no more. Lives until the next cells__add. */
const struct cell *cells__find(const struct cells *cells, uint64_t key);
/* Adds a copy of text, of a key that is not there; all others go when it gets too much. */
const struct cell *cells__add(struct cells *cells, uint64_t key, const char *text, size_t len,
			      uint64_t note);
void cells__clear(struct cells *cells);

#endif /* CELLS_H */
