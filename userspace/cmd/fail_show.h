/* SPDX-License-Identifier: BSD-2-Clause */
/* What heaptap fail has found, for people and for programs. */
#ifndef FAIL_SHOW_H
#define FAIL_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fail/database.h"

struct options;

struct fail_summary {
	const struct options *options;
	const struct fail_database *database;
	const char *program;
	uint64_t nr_runs;
	bool complete;	    /* runs ended because no new path failed */
	bool new_only;	    /* of this call of heaptap; else all that are known */
	uint64_t nr_faults; /* set by fail_show__write, as is this: */
	size_t nr_paths;    /* shown */
};

/* Text, or with --json JSON, to stdout; with --junit a file, too. Counts the faults. 0, or -errno
 * after a sentence. */
int fail_show__write(struct fail_summary *summary);
/* Each path with its stack. Text or JSON likewise. */
int fail_show__list(struct fail_summary *summary);

#endif /* FAIL_SHOW_H */
