/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How large the blocks of a program are: a histogram with four steps for each power of two, and the
 * sizes asked for most often. An observer of the model; blocks that its filter leaves out do not
 * count.
 */
#ifndef SIZES_H
#define SIZES_H

#include <stddef.h>
#include <stdint.h>

#include "report/costs.h"
#include "report/model.h"

/* Sizes 0 to 15 have a row each, then come four for each power of two. */
#define SIZES_NR_ROWS (16 + 60 * 4)
/* Exact sizes counted at once. */
#define SIZES_MAX_EXACT 4096

struct sizes_row {
	uint64_t from_bytes, to_bytes; /* the latter included */
	struct amount total;	       /* allocated; what was inherited by a fork included */
	struct amount live, temporary;
};

/* A size and how often it was asked for: at least nr times, at most nr + nr_missed. */
struct sizes_exact {
	uint64_t bytes, nr;
};

/* Of one process. */
struct sizes_process {
	const struct sizes_row *rows; /* those with anything in them, by size */
	size_t nr_rows;
	const struct sizes_exact *exact; /* most often first; equal ones by size */
	size_t nr_exact;
	uint64_t nr_missed; /* 0: every `nr` is exact */
	struct sizes_row sum;
};

struct sizes;

/* Begins to observe a model, before its first record. Freed before or after the model. */
struct sizes *sizes__new(struct model *model);
void sizes__free(struct sizes *sizes);

/* What has come of a process so far. Lives until the next record, or the next call of it. */
struct sizes_process sizes__of(struct sizes *sizes, const struct process *process);

/* The row of a size, and the smallest size of a row. */
unsigned sizes__row(uint64_t bytes);
uint64_t sizes__row_begin(unsigned row);

#endif /* SIZES_H */
