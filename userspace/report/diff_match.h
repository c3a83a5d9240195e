/* SPDX-License-Identifier: BSD-2-Clause */
/* Which call site of one recording is which of another: for diff.c. */
#ifndef DIFF_MATCH_H
#define DIFF_MATCH_H

#include "report/report.h"

/* The build-ids that two recordings share. */
struct build_ids;

struct build_ids *build_ids__shared(const struct model *const models[2]);
void build_ids__free(struct build_ids *ids);

/* A call site of one recording. */
struct match_site {
	const struct report_entry *entry;
	struct amount amount;
	bool certain;		    /* every frame is in a module that both have: exact says all */
	uint64_t exact;		    /* equal stacks, equal numbers */
	uint64_t by_name;	    /* likewise, by their functions alone */
	struct match_site *partner; /* in the other recording; NULL: none */
};

/* The numbers of a stack. */
void match__identify(const struct build_ids *ids, struct match_site *site);

/* Finds partners for the sites of two recordings, no two of one having the same exact number. */
void match__pair(struct match_site *before, size_t nr_before, struct match_site *after,
		 size_t nr_after);

#endif /* DIFF_MATCH_H */
