/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finishes the walks the kernel shipped: first by the same walker and tables (the mapping has
 * become known meanwhile), then by libdwfl (a rule the tables cannot hold).
 */
#ifndef WALKS_H
#define WALKS_H

#include <stdint.h>

#include "source/unwind_tables.h"
#include "unwind/finish.h"
#include "wire.h"

struct walks {
	const struct unwind_tables *tables;
	struct finish *finish;
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

/* tables stays the caller's. */
void walks__init(struct walks *walks, const struct unwind_tables *tables);
void walks__clear(struct walks *walks);

/* A mapping, for libdwfl: see finish__map. */
void walks__map(struct walks *walks, uint64_t start, uint64_t end, uint64_t vaddr, int fd,
		const char *path);

/* The finished stack of a shipped walk; lives until the next call. NULL: it was a check. */
const struct wire_head *walks__finish(struct walks *walks, const struct wire_walk *record);

/* Remembers a stack that came finished, for the check that may follow. */
void walks__note(struct walks *walks, const struct wire_stack *record);

#endif /* WALKS_H */
