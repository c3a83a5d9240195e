/* SPDX-License-Identifier: BSD-2-Clause */
/* A call graph in the Callgrind format, version 1, for callgrind_annotate and KCachegrind. */
#ifndef CALLGRIND_TEXT_H
#define CALLGRIND_TEXT_H

#include <stdio.h>

#include "report/call_graph.h"
#include "report/model.h"

struct callgrind_head {
	const struct model *model;
	const struct process *process;
	const char *cost; /* a phrase that says what is charged */
	/* Of it, what was left out. */
	struct amount not_shown;
	size_t nr_not_shown;
};

void callgrind_text__write(struct call_graph *graph, const struct callgrind_head *head, FILE *out);

#endif /* CALLGRIND_TEXT_H */
