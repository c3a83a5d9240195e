/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finishes the walks the kernel shipped: first by the same walker and tables (the mapping has
 * become known meanwhile), then by libdwfl (a rule the tables cannot hold).
 */
#ifndef WALKS_H
#define WALKS_H

#include <stdint.h>

#include "source/unwind_space.h"
#include "source/unwind_tables.h"
#include "unwind/finish.h"
#include "wire.h"

struct walks {
	const struct unwind_tables *tables;
	struct walk_counts {
		uint64_t shipped, by_tables, by_libdwfl; /* and how they were completed */
		/* Stacks of the kernel's walker beside libdwfl's of the same moment. */
		uint64_t checked;
		uint64_t equal;	   /* frame by frame out to the outermost */
		uint64_t agreeing; /* as far as the copy of the stack reached, or 127 frames */
		uint64_t cut;	   /* correct, but shorter and marked */
		uint64_t different;
	} counts;
	struct walked {
		struct wire_stack record;
		uint64_t frames[WIRE_MAX_FRAMES];
	} last; /* the newest stack of the kernel's */
};

/* The process a walk was in: what it has mapped, for either walker. */
struct walked_process {
	const struct unwind_space *space;
	struct finish *finish;
};

/* tables stays the caller's. */
void walks__init(struct walks *walks, const struct unwind_tables *tables);

/* The finished stack of a shipped walk; lives until the next call. NULL: it was a check. */
const struct wire_head *walks__finish(struct walks *walks, const struct walked_process *process,
				      const struct wire_walk *record);

/* Remembers a stack that came finished, for the check that may follow. */
void walks__note(struct walks *walks, const struct wire_stack *record);

#endif /* WALKS_H */
