/* SPDX-License-Identifier: BSD-2-Clause */
/* The sites of one process on their way to entries of a report: one a stack (cut to the wanted
 * depth) and family of allocators; filtered and sorted. For leaks.c. */
#ifndef ENTRIES_H
#define ENTRIES_H

#include "report/leaks.h"

struct entry {
	uint32_t stack;	 /* index, of the cut ones where stacks are cut */
	uint32_t family; /* index */
	uint64_t bytes, blocks;
	uint64_t oldest_at_ns, newest_at_ns; /* when they were allocated */
};

struct entries {
	struct entry *all; /* largest first */
	size_t nr;
	size_t nr_hidden; /* left out by the filter */
	struct leak_family *families;
	size_t nr_families;
};

/* cut_index: of a stack's index, the one it gets by cutting; NULL: stacks stay whole. */
struct entries entries__make(const struct sites *sites, const struct functions *functions,
			     const uint32_t *cut_index, const struct leaks_filter *filter);

#endif /* ENTRIES_H */
