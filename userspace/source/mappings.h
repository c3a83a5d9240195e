/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files a target runs code from: each mapping becomes records, each file with allocator
 * functions is probed, and is kept open, so that its names can be read when the target is gone.
 */
#ifndef MAPPINGS_H
#define MAPPINGS_H

#include <stddef.h>
#include <stdint.h>

#include "probe/target.h"
#include "source/engine.h"
#include "source/queue.h"
#include "source/walks.h"

struct mappings {
	struct engine *engine;
	struct queue *queue;
	struct walks *walks;
	pid_t pid;
	struct mapped_file *files; /* by module id */
	size_t nr_files, files_capacity;
	struct mapped_range *ranges; /* sent already */
	size_t nr_ranges, ranges_capacity, nr_published;
	size_t nr_probed;    /* functions */
	size_t nr_generated; /* mappings of code that the program made itself */
	int probe_error;     /* the first -errno of attaching */
};

void mappings__init(struct mappings *mappings, struct engine *engine, struct queue *queue,
		    struct walks *walks, pid_t pid);
void mappings__clear(struct mappings *mappings);

/* A mapping was made at time_ns. Known ones are ignored. */
void mappings__add(struct mappings *mappings, const struct target_mapping *mapping,
		   uint64_t time_ns);
/* Makes what was added known to the walker in the kernel. */
void mappings__publish(struct mappings *mappings);
/* The process has replaced its image: what was mapped is not any more; then as mappings__scan. */
int mappings__restart(struct mappings *mappings);
/* Adds everything mapped now, and publishes it. 0, or -ESRCH when the process is gone. */
int mappings__scan(struct mappings *mappings);

/* The descriptor of a module's file; -1: none. */
int mappings__module_fd(const struct mappings *mappings, uint32_t module);

#endif /* MAPPINGS_H */
