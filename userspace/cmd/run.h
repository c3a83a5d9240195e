/* SPDX-License-Identifier: BSD-2-Clause */
/* What leaks and record have in common: a source pumped into a model, and perhaps into a recording,
 * until it ends, the time is up or Ctrl-C is pressed. */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdio.h>

#include "cmd/memory_watch.h"
#include "cmd/opts.h"
#include "report/model.h"
#include "source/source.h"

struct trace_writer;
struct wire_head;

struct run {
	const struct options *options;
	struct source *source;
	struct model *model;
	struct trace_writer *writer; /* NULL: nothing is recorded */
	/* Sees every record after the model; called after each round of the pump, where -errno ends
	 * it. May be NULL. */
	void (*observe)(struct run *run, const struct wire_head *record);
	int (*after_pump)(struct run *run);
	void *observer;
	struct memory_watch memory;	 /* of what a recording takes */
	bool has_names;			 /* those of the recording are in the model already */
	bool count_heap;		 /* false: the model learns stacks and names only */
	bool told_until;		 /* the source knows of --at */
	uint64_t shown_ns, shown_events; /* the last progress line */
};

/* Opens what the options name. 0, or -errno after saying why not. */
int run__open(struct run *run, const struct options *options);
/* Reads the names of a recording before all else, where it can be read twice (cmd/names.h). */
void run__read_names(struct run *run);
/* Pumps to the end. 0, or -errno after saying what broke; what came before it is in the model. */
int run__pump(struct run *run);
/* The exit status: the launched command's own (128 + signal when it was killed) after waiting for
 * it, else EXIT_DONE. */
int run__status(struct run *run);
void run__close(struct run *run);

/* A sym__resolve progress function: a line on the terminal. */
void run__show_names(uint32_t done, uint32_t modules, void *data);

/*
 * Creates an output file, readable by its owner only: under sudo, by who called it. A descriptor,
 * or -errno after saying why not.
 */
int run__create(const char *path);

#endif /* RUN_H */
