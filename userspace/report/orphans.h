/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which blocks have grown old without being freed, told as time passes: at each look, those that
 * have come of age since the last one; when such a block is freed after all, its free; frees of
 * addresses where no known block lives. At the end of a process, what is left of it, whatever its
 * age. Keeps nothing of single blocks: when a block was allocated says whether it has been told of.
 */
#ifndef ORPHANS_H
#define ORPHANS_H

#include <stddef.h>
#include <stdint.h>

#include "report/eventlog.h"

struct orphans_options {
	uint64_t age_ns;
	uint64_t interval_ns; /* between looks, not 0 */
	bool at_end_only;     /* no looks: what is left at the end of each process, only */
	/* Where it is told: ALLOC (its time is when the block was allocated), FREE, REPLACED,
	 * UNKNOWN_FREE, EXEC and END. NULL: nowhere, it is only counted. */
	struct eventlog *log;
};

/* Of one process, of the blocks that pass the filter. */
struct orphans_count {
	struct amount old, young; /* live at the end, or now */
	struct amount retracted;  /* were told of at a look, and freed after that */
	uint64_t nr_unknown_frees;
};

struct orphans;

/* Begins to observe a model, before its first record. */
struct orphans *orphans__new(struct model *model, const struct orphans_options *options);
void orphans__free(struct orphans *orphans);
/* It is now_ns, of the records' clock: looks if it is time. */
void orphans__tick(struct orphans *orphans, uint64_t now_ns);
/* The last record has come: what is left of the processes that live is told. */
void orphans__finish(struct orphans *orphans);
/* After orphans__finish. */
struct orphans_count orphans__count(const struct orphans *orphans, const struct process *process);

#endif /* ORPHANS_H */
