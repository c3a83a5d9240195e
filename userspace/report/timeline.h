/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A heap over time: live bytes and blocks, and what came and went, in buckets of equal width. Their
 * number is bounded: when time outgrows them, neighbours are merged and the width doubles. An
 * observer of the model; blocks that its filter leaves out do not count.
 */
#ifndef TIMELINE_H
#define TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "report/costs.h"
#include "report/model.h"

#define TIMELINE_MAX_BUCKETS 1024

struct timeline_bucket {
	uint64_t index;
	struct amount live;  /* at its end */
	uint64_t peak_bytes; /* the most that was live in it */
	struct amount born;  /* allocated in it, reallocs included */
	uint64_t nr_frees;   /* likewise; and blocks that were replaced, their free never seen */
};

/* Of one process. */
struct timeline_process {
	uint64_t begin_ns, end_ns;	       /* CLOCK_MONOTONIC */
	uint64_t width_ns;		       /* of a bucket; the last may end early */
	const struct timeline_bucket *buckets; /* without gaps: [i].index is i; at least one */
	size_t nr_buckets;
	struct amount inherited; /* live when the process was forked */
	struct amount peak;	 /* the most bytes that were live, and the blocks then */
	uint64_t peak_ns;	 /* when that was first so */
	struct amount born;	 /* sum */
	uint64_t nr_frees;
};

struct timeline;

/* Begins to observe a model, before its first record. Freed before or after the model. */
struct timeline *timeline__new(struct model *model);
void timeline__free(struct timeline *timeline);

/* What has come of a process so far. Lives until the next record, or the next call of it. */
struct timeline_process timeline__of(struct timeline *timeline, const struct process *process);

#endif /* TIMELINE_H */
