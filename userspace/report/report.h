/* SPDX-License-Identifier: BSD-2-Clause */
/* Who allocated what, by allocating stack: an immutable snapshot of a model, sorted, with names.
 * What most views and exports are made from. */
#ifndef REPORT_H
#define REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "report/costs.h"
#include "report/frames.h"
#include "report/model.h"
#include "report/profile.h"
#include "report/selfcheck.h"

struct selection;

/* Of each process. Which blocks count, and until when, the model was told (filter, at, born). */
struct report_options {
	enum cost cost;		       /* entries are sorted by it; the next two are of it */
	uint64_t min_bytes, min_count; /* of an entry; one with no blocks never comes */
	uint64_t top;		       /* the largest entries only; 0: all */
	uint64_t depth; /* frames kept of a stack, entries that become equal are one; 0: all */
	/* Of entries, by all their frames, before they are cut (selection.h); it must outlive the
	 * report. NULL: all. */
	struct selection *selection;
	/* As in sym__resolve, may be NULL. */
	void (*progress)(uint32_t done, uint32_t modules, void *data);
	void *progress_data;
};

struct report_entry {
	struct costs costs;	       /* of a report without a profile: COST_LIVE only */
	uint64_t oldest_ns, newest_ns; /* age of the live blocks at the end; 0 with a profile */
	const char *family;	       /* of allocators; NULL: unknown */
	const struct frame *frames;    /* innermost first */
	uint32_t nr_frames;
	uint32_t stack; /* a number for it: equal stacks, equal numbers, in all processes */
	bool cut;	/* frames are missing at the outer end */
};

/* Of one family of allocators. */
struct report_family {
	const char *name; /* NULL: unknown */
	bool of_libc;
	struct amount amount; /* of the cost that was asked for */
};

/* What one rule of the selection left out of a process. */
struct suppressed {
	const char *rule; /* the selection's */
	struct amount amount;
};

/* Of one process. */
struct process_report {
	const struct process *process;
	struct heap_totals totals;	/* of the process, whatever was filtered */
	struct costs sums;		/* of all entries, hidden ones too */
	struct amount suppressed;	/* part of the hidden ones */
	const struct suppressed *rules; /* it is made of: those that left something out */
	size_t nr_rules;
	uint64_t peak_ns;		    /* 0: not known */
	uint64_t end_ns;		    /* of the process, or of the report */
	const struct report_entry *entries; /* largest first */
	size_t nr_entries;
	size_t nr_hidden;		      /* entries that were left out */
	const struct report_family *families; /* largest first */
	size_t nr_families;
	struct selfcheck selfcheck;
};

/* Of all processes, in the order of their appearance; at least one (model__first). */
struct report {
	const struct model *model;
	enum cost cost;
	const struct process_report *processes;
	size_t nr_processes;
	size_t nr_entries; /* of all */
};

/* Resolves the names of what is shown. profile NULL: only what is live. Model and profile must
 * outlive the result and not change. */
struct report *report__build(struct model *model, struct profile *profile,
			     const struct report_options *options);
void report__free(struct report *report);

#endif /* REPORT_H */
