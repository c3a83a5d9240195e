/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one process has mapped executable: each mapping becomes a record and is told to both
 * walkers, each file with something to probe is probed in that process.
 */
#ifndef MAPPINGS_H
#define MAPPINGS_H

#include <stddef.h>
#include <stdint.h>

#include "probe/target.h"
#include "source/engine.h"
#include "source/files.h"
#include "source/unwind_space.h"
#include "unwind/finish.h"

struct mappings {
	struct engine *engine;
	struct files *files;
	pid_t pid;
	struct unwind_space space;
	struct finish *finish;
	struct links links;
	uint8_t *probed; /* by module id: is it, in this process? */
	size_t probed_capacity;
	struct mapped_range *ranges; /* sent already */
	size_t nr_ranges, ranges_capacity, nr_published;
	size_t nr_probed;    /* functions */
	bool traces;	     /* it is a program that traces others */
	size_t nr_generated; /* mappings of code that the program made itself */
	int probe_error;     /* the first -errno of attaching */
};

/* engine and files stay the caller's. 0; -ENOSPC when too many processes are watched; or -errno. */
int mappings__open(struct mappings *mappings, struct engine *engine, struct files *files,
		   pid_t pid);
void mappings__close(struct mappings *mappings);

/* A mapping was made at time_ns. Known ones are ignored. */
void mappings__add(struct mappings *mappings, const struct target_mapping *mapping,
		   uint64_t time_ns);
/* Makes what was added known to the walker in the kernel. */
void mappings__publish(struct mappings *mappings);
/* The process is a copy of parent's: so is what it has mapped, and it is probed likewise. No
 * records. */
void mappings__inherit(struct mappings *mappings, const struct mappings *parent);
/* The process has replaced its image: what was mapped is not any more; then as mappings__scan. */
int mappings__restart(struct mappings *mappings);
/* Adds everything mapped now, and publishes it. 0, or -ESRCH when the process is gone. */
int mappings__scan(struct mappings *mappings);
/* Probes the files of other processes that have allocators, whatever this one has mapped: so they
 * are probed from the moment it maps them. */
void mappings__probe_known(struct mappings *mappings);

#endif /* MAPPINGS_H */
