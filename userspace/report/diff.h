/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What grew from one recording to another, by call site. Sites are the same where their stacks are:
 * by build-id and offset where both recordings know all modules by their build-ids. Of a program
 * that was rebuilt, they are those with the same functions whose lines have moved together, if at
 * all.
 */
#ifndef DIFF_H
#define DIFF_H

#include <stddef.h>
#include <stdint.h>

#include "report/report.h"

struct diff_site {
	struct amount before, after;	  /* blocks 0: there was none */
	const struct report_entry *entry; /* of the later recording, else of the earlier */
};

/* Of a process of each recording, or of all of them. */
struct diff_process {
	const struct process *before, *after; /* NULL: several, added up */
	struct amount sum_before, sum_after;  /* of all sites that are selected */
	struct diff_site *sites; /* that differ: what grew most first, then what shrank */
	size_t nr_sites;
	size_t nr_hidden;	     /* left out by min_bytes, min_count and top */
	size_t nr_grown, nr_new;     /* hidden ones included; new ones have grown */
	size_t nr_shrunk, nr_gone;   /* likewise */
	struct amount suppressed[2]; /* of each recording */
};

struct diff {
	struct report *reports[2]; /* the earlier, the later */
	struct diff_process *processes;
	size_t nr_processes;
	size_t nr_grown; /* of all */
};

/*
 * Processes go together by the names of their executables, the first with the first of that name;
 * one with one in any case. Where they do not match so, all are added up. Of options, min_bytes and
 * min_count are of the change. Models and profiles as in report__build.
 */
struct diff *diff__build(struct model *const models[2], struct profile *const profiles[2],
			 const struct report_options *options);
void diff__free(struct diff *diff);

#endif /* DIFF_H */
