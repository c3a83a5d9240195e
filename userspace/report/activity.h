/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each thread of a process did to its heap. An observer of the model; blocks that its filter
 * leaves out do not count, and what is freed counts by the block, whoever frees it.
 */
#ifndef ACTIVITY_H
#define ACTIVITY_H

#include <stddef.h>
#include <stdint.h>

#include "report/costs.h"
#include "report/model.h"

struct activity_thread {
	uint32_t tid;		    /* 0: the threads that were too many to be told apart */
	struct amount total;	    /* that it allocated */
	struct amount live;	    /* of these, live at the end; inherited by a fork included */
	struct amount temporary;    /* of these, freed before its next allocation */
	struct amount freed;	    /* that it freed */
	struct amount of_others;    /* that it freed, and another thread had allocated */
	struct amount by_others;    /* that it had allocated, and another thread freed */
	uint64_t nr_failed;	    /* allocations */
	uint64_t first_ns, last_ns; /* CLOCK_MONOTONIC of its first and last call; 0: none */
};

/* Of one process. */
struct activity_process {
	const struct activity_thread *threads; /* most bytes allocated first */
	size_t nr_threads;
	struct activity_thread sum;
};

struct activity;

/* Begins to observe a model, before its first record. Freed before or after the model. */
struct activity *activity__new(struct model *model);
void activity__free(struct activity *activity);

/* What has come of a process so far. Lives until the next record, or the next call of it. */
struct activity_process activity__of(struct activity *activity, const struct process *process);

#endif /* ACTIVITY_H */
