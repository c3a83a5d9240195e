/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of code with marks, which may overlap, as the sorted ranges that bpf/inject.h searches.
 * Pure. */
#ifndef INJECT_RANGES_H
#define INJECT_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "inject_abi.h"

struct inject_piece {
	uint64_t start, end;
	uint32_t mark; /* one of INJECT_* */
};

/* Zero-initialise. */
struct inject_pieces {
	struct inject_piece *all;
	size_t nr, capacity;
};

/* Of nothing, and of what lies above user space, nothing is kept. */
void inject_pieces__add(struct inject_pieces *pieces, uint64_t start, uint64_t end, uint32_t mark);
void inject_pieces__clear(struct inject_pieces *pieces);

/* Fills out[INJECT_MAX_RANGES], a whole view. 0, or -E2BIG when there are too many: out is not to
 * be used then. */
int inject_pieces__make_view(const struct inject_pieces *pieces, struct inject_range *out);

#endif /* INJECT_RANGES_H */
