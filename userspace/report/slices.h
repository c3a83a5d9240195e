/* SPDX-License-Identifier: BSD-2-Clause */
/* What is live at the end of each process, by when it was allocated: slices of equal length since
 * the watching began. An observer of the model. */
#ifndef SLICES_H
#define SLICES_H

#include <stddef.h>
#include <stdint.h>

#include "report/costs.h"
#include "report/model.h"

/* Of one slice and stack. */
struct slice_site {
	uint64_t slice; /* from 0; at most that of the process's newest record */
	uint32_t stack; /* index */
	uint32_t pad;
	struct amount live;
};

struct slices;

/* Begins to observe a model, before its first record. length_ns is not 0. */
struct slices *slices__new(struct model *model, uint64_t length_ns);
void slices__free(struct slices *slices);

/* After the last record. Sorted by slice, then by stack; lives until the next call for a process
 * that has not ended. */
const struct slice_site *slices__of(struct slices *slices, const struct process *process,
				    size_t *nr);
/* Slices of a process until its newest record: at least one. */
uint64_t slices__count(const struct slices *slices, const struct process *process);

#endif /* SLICES_H */
