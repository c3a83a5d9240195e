/* SPDX-License-Identifier: BSD-2-Clause */
/* The sites of one process on their way to entries of a report: one a stack (cut to the wanted
 * depth) and family of allocators; chosen and sorted. For report.c. */
#ifndef ENTRIES_H
#define ENTRIES_H

#include "report/report.h"

struct entry {
	uint32_t stack;	 /* index, of the cut ones where stacks are cut */
	uint32_t family; /* index */
	uint16_t func;	 /* that was called: one of them, where stacks were cut */
	struct costs costs;
	uint64_t oldest_at_ns, newest_at_ns; /* when they were allocated */
};

struct entries {
	struct entry *all;
	size_t nr, capacity;
	size_t nr_hidden; /* left out so far */
	struct report_family *families;
	size_t nr_families;
};

/*
 * Of what is live (sites) or of a profile: the other one is NULL. cut_index: of a stack's index,
 * the one it gets by cutting; NULL: stacks stay whole.
 */
struct entries entries__make(const struct sites *sites, const struct profile_process *profile,
			     const struct functions *functions, const uint32_t *cut_index,
			     enum cost cost);

/* Cuts the stacks of entries that were made whole; those that become equal become one. */
void entries__cut_stacks(struct entries *entries, const uint32_t *cut_index);

/* Keeps what is large enough, largest first. */
void entries__select(struct entries *entries, const struct report_options *options);
/* Keeps the first options->top. */
void entries__cut(struct entries *entries, const struct report_options *options);

#endif /* ENTRIES_H */
