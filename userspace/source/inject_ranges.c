// SPDX-License-Identifier: BSD-2-Clause
#include "source/inject_ranges.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"

#define USER_SPACE_END (1ull << 63) /* what the search can compare */

void inject_pieces__add(struct inject_pieces *pieces, uint64_t start, uint64_t end, uint32_t mark)
{
	if (start >= end || end >= USER_SPACE_END)
		return;
	pieces->all = array__grow(pieces->all, pieces->nr, &pieces->capacity, sizeof(*pieces->all));
	pieces->all[pieces->nr++] = (struct inject_piece){ start, end, mark };
}

void inject_pieces__clear(struct inject_pieces *pieces)
{
	free(pieces->all);
	*pieces = (struct inject_pieces){ 0 };
}

/* Where a piece begins, or ends. */
struct edge {
	uint64_t address;
	uint32_t mark;
	int step; /* 1 or -1 */
};

static int compare_edges(const void *one, const void *other)
{
	const struct edge *a = one, *b = other;

	return a->address < b->address ? -1 : a->address > b->address;
}

static struct edge *make_edges(const struct inject_pieces *pieces)
{
	struct edge *edges = xcalloc(2 * pieces->nr + 1, sizeof(*edges));

	for (size_t i = 0; i < pieces->nr; i++) {
		const struct inject_piece *piece = &pieces->all[i];

		edges[2 * i] = (struct edge){ piece->start, piece->mark, 1 };
		edges[2 * i + 1] = (struct edge){ piece->end, piece->mark, -1 };
	}
	qsort(edges, 2 * pieces->nr, sizeof(*edges), compare_edges);
	return edges;
}

static const uint32_t all_marks[] = { INJECT_ONLY, INJECT_NEVER, INJECT_ENDS };

/* How many pieces of each mark lie over an address. */
struct cover {
	int64_t nr[ARRAY_SIZE(all_marks)];
};

static uint32_t step_over(struct cover *cover, const struct edge *edge)
{
	uint32_t marks = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all_marks); i++) {
		if (edge->mark == all_marks[i])
			cover->nr[i] += edge->step;
		marks |= cover->nr[i] ? all_marks[i] : 0;
	}
	return marks;
}

static int add_range(struct inject_range *out, size_t *nr, uint64_t start, uint64_t end,
		     uint32_t marks)
{
	struct inject_range *last = &out[*nr - 1];

	if (!marks || start == end)
		return 0;
	if (last->end == start && last->marks == marks) {
		last->end = end;
		return 0;
	}
	if (*nr == INJECT_MAX_RANGES)
		return -E2BIG;
	out[(*nr)++] = (struct inject_range){ start, end, marks, 0 };
	return 0;
}

int inject_pieces__make_view(const struct inject_pieces *pieces, struct inject_range *out)
{
	struct edge *edges = make_edges(pieces);
	struct cover cover = { 0 };
	uint32_t marks = 0;
	size_t nr = 1;
	int err = 0;

	out[0] = (struct inject_range){ 0 };
	for (size_t i = 0; !err && i < 2 * pieces->nr; i++) {
		if (i)
			err = add_range(out, &nr, edges[i - 1].address, edges[i].address, marks);
		marks = step_over(&cover, &edges[i]);
	}
	while (nr < INJECT_MAX_RANGES)
		out[nr++] = (struct inject_range){ .start = USER_SPACE_END - 1 };
	free(edges);
	return err;
}
