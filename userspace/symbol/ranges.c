// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/ranges.h"

#include <stdlib.h>

#include "base/util.h"

void ranges__add(struct ranges *ranges, uint64_t start, uint64_t end, uint64_t value)
{
	if (start >= end)
		return;
	ranges->items =
		array__grow(ranges->items, ranges->nr, &ranges->capacity, sizeof(*ranges->items));
	ranges->items[ranges->nr++] = (struct range){ .start = start, .end = end, .value = value };
}

/* The better range of two that start together comes later: the search goes backwards. */
static int compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return x->value == y->value ? 0 : x->value > y->value ? -1 : 1;
}

void ranges__sort(struct ranges *ranges)
{
	uint64_t max_end = 0;

	if (ranges->nr)
		qsort(ranges->items, ranges->nr, sizeof(*ranges->items), compare);
	for (size_t i = 0; i < ranges->nr; i++) {
		max_end = max(max_end, ranges->items[i].end);
		ranges->items[i].max_end = max_end;
	}
}

const struct range *ranges__find(const struct ranges *ranges, uint64_t address)
{
	size_t low = 0, high = ranges->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	while (low-- > 0 && ranges->items[low].max_end > address) {
		if (ranges->items[low].end > address)
			return &ranges->items[low];
	}
	return NULL;
}

void ranges__clear(struct ranges *ranges)
{
	free(ranges->items);
	*ranges = (struct ranges){ 0 };
}
