/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much was live in each process at regular moments: 0, 1, 2... intervals after the watching
 * began. An observer of the model.
 */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/costs.h"
#include "report/model.h"

/* Of all processes together; what is beyond is not kept. */
#define SAMPLES_MAX 1000000

/* The same until the first moment of the next run. */
struct sample_run {
	uint64_t first; /* number of the moment */
	struct amount live;
};

/* Of one process. */
struct samples_process {
	const struct sample_run *runs;
	size_t nr_runs;
	uint64_t nr_moments; /* those before it was there included; the last run ends here */
	struct amount live;  /* after its newest record, */
	uint64_t last_ns;    /* which came so long after the watching began */
};

struct samples;

/* Begins to observe a model, before its first record. interval_ns is not 0. */
struct samples *samples__new(struct model *model, uint64_t interval_ns);
void samples__free(struct samples *samples);

/* After the last record. Lives until the next call. */
struct samples_process samples__of(struct samples *samples, const struct process *process);
/* Are there more than SAMPLES_MAX runs? Then some are missing. */
bool samples__overflowed(const struct samples *samples);

#endif /* SAMPLES_H */
