/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of views that are made of a report (report/report.h): most of them. */
#ifndef REPORT_STATE_H
#define REPORT_STATE_H

#include "export/view.h"

struct report_state {
	struct model *model;
	const struct view_options *options;
	struct profile *profile; /* NULL: only what is live is wanted */
	enum cost cost;		 /* the report is sorted by; that of the options unless changed */
	struct report *report;	 /* NULL before report_state__build */
};

/* Begins to observe where the cost that options ask for needs it. */
void *report_state__begin(struct model *model, const struct view_options *options);
/* Observes anyway: all costs are wanted. */
void *report_state__begin_profile(struct model *model, const struct view_options *options);
/* Makes the report, by state->cost; once. */
const struct report *report_state__build(struct report_state *state);
size_t report_state__nr_entries(const void *state);
void report_state__free(void *state);

#endif /* REPORT_STATE_H */
