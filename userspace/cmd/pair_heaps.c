// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/pair_heaps.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"

#define NONE UINT64_MAX
/* A short row can fork a heap of millions. What copying may cost in all: many times what any real
 * tree of processes needs. */
#define MAX_TURNOVER   16
#define COPIES_PER_ROW 64

/* Of a row, and of those who have inherited it. */
struct pair_text {
	uint64_t nr_users;
	char bytes[];
};

/* A slot with a row in it; len 0: it is free, and offset the next free one. */
struct pair_heaps {
	struct pair_row *rows;
	size_t nr, capacity;
	uint64_t free_slot; /* NONE: there is none */
	struct hmap *heaps; /* address -> slot, of each process */
	size_t nr_heaps, heaps_capacity;
	struct hmap by_pid; /* -> index of its heap */
	uint64_t max_copies, nr_copies_held, nr_copies_made;
};

struct pair_heaps *pair_heaps__new(uint64_t max_copies)
{
	struct pair_heaps *heaps = xcalloc(1, sizeof(*heaps));

	heaps->free_slot = NONE;
	heaps->max_copies = max_copies;
	return heaps;
}

static void leave_text(struct pair_text *text)
{
	if (text && !--text->nr_users)
		free(text);
}

void pair_heaps__free(struct pair_heaps *heaps)
{
	if (!heaps)
		return;
	for (size_t i = 0; i < heaps->nr; i++)
		leave_text(heaps->rows[i].text);
	for (size_t i = 0; i < heaps->nr_heaps; i++)
		hmap__clear(&heaps->heaps[i]);
	hmap__clear(&heaps->by_pid);
	free(heaps->heaps);
	free(heaps->rows);
	free(heaps);
}

/* The index of the heap of a process. */
static size_t index_of(struct pair_heaps *heaps, uint32_t pid)
{
	const uint64_t *index = hmap__find(&heaps->by_pid, pid);

	if (index)
		return *index;
	heaps->heaps = array__grow(heaps->heaps, heaps->nr_heaps, &heaps->heaps_capacity,
				   sizeof(*heaps->heaps));
	hmap__set(&heaps->by_pid, pid, heaps->nr_heaps);
	heaps->heaps[heaps->nr_heaps] = (struct hmap){ 0 };
	return heaps->nr_heaps++;
}

static struct hmap *heap_of(struct pair_heaps *heaps, uint32_t pid)
{
	size_t index = index_of(heaps, pid); /* which may move all of them */

	return &heaps->heaps[index];
}

static void forget(struct pair_heaps *heaps, uint64_t slot)
{
	struct pair_row *row = &heaps->rows[slot];

	heaps->nr_copies_held -= row->pid != 0;
	leave_text(row->text);
	*row = (struct pair_row){ .offset = heaps->free_slot };
	heaps->free_slot = slot;
}

bool pair_heaps__take_back(struct pair_heaps *heaps, uint32_t pid, uint64_t address)
{
	struct hmap *heap = heap_of(heaps, pid);
	const uint64_t *slot = hmap__find(heap, address);

	if (!slot)
		return false;
	forget(heaps, *slot);
	hmap__delete(heap, address);
	if (!heap->nr)
		hmap__clear(heap);
	return true;
}

void pair_heaps__end(struct pair_heaps *heaps, uint32_t pid, bool lost)
{
	struct hmap *heap = heap_of(heaps, pid);
	uint64_t address, slot;

	for (size_t at = 0; lost && hmap__next(heap, &at, &address, &slot);)
		forget(heaps, slot);
	hmap__clear(heap);
}

static uint64_t put(struct pair_heaps *heaps, const struct pair_row *row)
{
	uint64_t slot = heaps->free_slot;

	if (slot == NONE) {
		heaps->rows =
			array__grow(heaps->rows, heaps->nr, &heaps->capacity, sizeof(*heaps->rows));
		slot = heaps->nr++;
	} else {
		heaps->free_slot = heaps->rows[slot].offset;
	}
	heaps->rows[slot] = *row;
	return slot;
}

void pair_heaps__keep(struct pair_heaps *heaps, uint32_t pid, uint64_t address, uint64_t offset,
		      const char *text, uint32_t len)
{
	struct pair_row row = { .offset = offset, .len = len };

	if (text) {
		row.text = xmalloc(sizeof(*row.text) + len);
		row.text->nr_users = 1;
		memcpy(row.text->bytes, text, len);
	}
	hmap__set(heap_of(heaps, pid), address, put(heaps, &row));
}

bool pair_heaps__fork(struct pair_heaps *heaps, uint32_t parent, uint32_t child, uint64_t nr_rows)
{
	/* By index: making the second may move the first. */
	size_t from = index_of(heaps, parent), to = index_of(heaps, child);
	uint64_t nr = heaps->heaps[from].nr, address, slot;

	if (from == to)
		return true;
	hmap__clear(&heaps->heaps[to]);
	if (heaps->nr_copies_held + nr > heaps->max_copies ||
	    heaps->nr_copies_made + nr >
		    MAX_TURNOVER * heaps->max_copies + COPIES_PER_ROW * nr_rows)
		return false;
	for (size_t at = 0; hmap__next(&heaps->heaps[from], &at, &address, &slot);) {
		struct pair_row row = heaps->rows[slot];

		row.pid = child;
		if (row.text)
			row.text->nr_users++;
		hmap__set(&heaps->heaps[to], address, put(heaps, &row));
	}
	heaps->nr_copies_held += nr;
	heaps->nr_copies_made += nr;
	return true;
}

/* In the order of the file; the row's own process is before those that inherited. */
static int compare_rows(const void *left, const void *right)
{
	const struct pair_row *a = left, *b = right;

	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

const struct pair_row *pair_heaps__left(struct pair_heaps *heaps, size_t *nr)
{
	*nr = 0;
	for (size_t i = 0; i < heaps->nr; i++)
		if (heaps->rows[i].len)
			heaps->rows[(*nr)++] = heaps->rows[i];
	heaps->nr = *nr;
	heaps->free_slot = NONE;
	if (*nr)
		qsort(heaps->rows, *nr, sizeof(*heaps->rows), compare_rows);
	return heaps->rows;
}

const char *pair_row__text(const struct pair_row *row)
{
	return row->text->bytes;
}
