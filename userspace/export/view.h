/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A way to look at a heap, for people (a view: text, or JSON for their scripts) or for another tool
 * (an exporter). Each is one file with one const struct view, and one line of a table in views.c.
 *
 * It begins before the model's first record, so that it may observe; it writes after the last.
 */
#ifndef VIEW_H
#define VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "report/report.h"

/* What the command line says to views. Strings are the caller's. */
struct view_options {
	struct report_options report;
	bool cost_given;	/* the cost is not just the default */
	const char *format;	/* --format; NULL: the usual */
	const char *dialect;	/* --dialect; NULL: the first */
	struct share min_share; /* of tree: smaller nodes are added up */
	bool inverted;		/* of tree: from the allocating calls outwards */
	uint64_t address;	/* of ptr */
	uint64_t age_ns;	/* of orphans: how old blocks must be ... */
	uint64_t interval_ns;	/* ... when it looks, so often; 0: at the end only */
	uint64_t slice_ns;	/* callgrind: a file for what was allocated in each; 0: none */
	uint64_t sample_ns;	/* callgrind: the .samples file; 0: none */
	bool resolve;		/* of orphans' rows: only what is left at the end */
	uint64_t rotate_bytes;	/* of a file that is written as events come; 0: never */
	uint64_t width;		/* columns of text; 0: the terminal's */
	unsigned rotate_keep;	/* how many old ones */
	bool live;		/* events come while they happen, not from a recording */
	const char *file;	/* the recording; NULL: none */
	const char *path;	/* -o; NULL or "-": standard output */
	struct model *other;	/* of diff: the later recording, read to its end */
	struct profile *other_profile;
};

/* What of the options that are not for all a view makes use of; with others it is refused, by the
 * table of cmd/view_opts.c. */
enum view_takes {
	VIEW_HEAP = 1,	      /* which blocks count, and until when: all that look at a heap */
	VIEW_OLDER = 2,	      /* --older; not beside another cost than what is live */
	VIEW_MINIMA = 4,      /* report.min_bytes, min_count */
	VIEW_TOP = 8,	      /* report.top */
	VIEW_DEPTH = 16,      /* report.depth */
	VIEW_COST = 32,	      /* report.cost */
	VIEW_TREE = 64,	      /* min_share, inverted */
	VIEW_WIDTH = 128,     /* width */
	VIEW_AGE = 256,	      /* age_ns, interval_ns */
	VIEW_RESOLVE = 512,   /* resolve */
	VIEW_ROTATE = 1024,   /* rotate_bytes, rotate_keep */
	VIEW_DIALECT = 2048,  /* dialect */
	VIEW_SLICES = 4096,   /* slice_ns, sample_ns */
	VIEW_ADDRESS = 8192,  /* address */
	VIEW_ENTRIES = 16384, /* nr_entries, for --error-exitcode */
	/* What is made of a report and shows its entries. */
	VIEW_REPORT = VIEW_HEAP | VIEW_MINIMA | VIEW_TOP | VIEW_DEPTH | VIEW_ENTRIES,
};

struct view {
	const char *name;
	unsigned takes;	     /* of enum view_takes */
	const char *help;    /* a phrase: "what was live when most was" */
	const char *formats; /* of its text, that --format may name, separated by |; NULL: none */
	const char *suffix;  /* of an exporter's files, with its dot; NULL: it writes to stdout
				unless -o is given */
	bool compares;	     /* two recordings: view_options.other is the second */
	/* In place of this view where --format is given; NULL: it looks at the option itself. */
	const struct view *with_format;
	/* It is made without looking at any heap: begin gets no model, and nothing is read. */
	bool looks_at_nothing;
	/* What is needed besides, NULL: nothing. Returns the state that the others get; NULL after
	 * saying why it cannot be done. options live until free. */
	void *(*begin)(struct model *model, const struct view_options *options);
	/* Does it want names while events come? Those a recording holds at its end are then read
	 * before all else, if it can be read twice. NULL: no. */
	bool (*names_first)(const void *state);
	/* It is made of events, not of a report: what is chosen by names (--function) must be
	 * chosen as they come. */
	bool of_events;
	/* NULL: nothing. Called while events come, about every 10 ms of watching. now_ns: of the
	 * records' clock. 0 or -errno, said: it ends the reading. */
	int (*tick)(void *state, uint64_t now_ns);
	/* After the last record. 0, or -errno after saying why: the output is then not kept. What
	 * stdio keeps in out's error flag is the caller's. */
	int (*write)(void *state, FILE *out);
	int (*write_json)(void *state, FILE *out); /* NULL: it has no JSON */
	/* Of one that names its files itself (view_options.path): in place of write, with messages.
	 */
	int (*write_files)(void *state);
	/* Entries shown, for --error-exitcode; NULL: it has none. After write. */
	size_t (*nr_entries)(const void *state);
	void (*free)(void *state);
};

/* The first is what `report` shows unless --view names another. */
extern const struct view *const views[];
extern const size_t nr_views;
extern const struct view *const exporters[];
extern const size_t nr_exporters;

/* NULL: unknown. */
const struct view *view__find(const char *name);
const struct view *exporter__find(const char *name);

extern const struct view view_leaks, view_sites, view_peak, view_timeline, view_sizes, view_threads;
extern const struct view view_ptr, view_misuse, view_orphans, view_tree, view_diff;
extern const struct view exporter_folded, exporter_callgrind, exporter_pprof, exporter_json,
	exporter_csv, exporter_malloc_trace, exporter_sql;

#endif /* VIEW_H */
