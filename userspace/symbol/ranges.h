/* SPDX-License-Identifier: BSD-2-Clause */
/* Address ranges, each with a number: filled, then sorted once, then searched. They may overlap. */
#ifndef RANGES_H
#define RANGES_H

#include <stddef.h>
#include <stdint.h>

struct range {
	uint64_t start, end;
	uint64_t max_end; /* the highest end among this and all before it */
	uint64_t value;
};

/* Zero-initialise. */
struct ranges {
	struct range *items;
	size_t nr, capacity;
};

/* An empty range is ignored. */
void ranges__add(struct ranges *ranges, uint64_t start, uint64_t end, uint64_t value);
/* To be called between the last ranges__add and the first ranges__find. */
void ranges__sort(struct ranges *ranges);
/* The range around address that starts last; among those the shortest, then the one with the
 * smallest value. NULL when there is none. */
const struct range *ranges__find(const struct ranges *ranges, uint64_t address);
void ranges__clear(struct ranges *ranges);

#endif /* RANGES_H */
