/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compares the stacks a walker hands over with the calls a thread is known to be in, and writes
 * what came out: lines of a word and its values, read by run-oracle.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include "shadow.h"

#include <stdbool.h>

/* A stack as it was handed over (handover.h). */
struct judge_stack {
	uint64_t frames; /* guest address of the first */
	unsigned nr_frames;
	uint64_t cfa;
	bool cut, lost;
	uint64_t nr_insns; /* executed by the walk; 0: not counted */
};

/* Results go to the end of the file; the first `limit` of the stacks that differ are shown whole.
 */
void judge__init(const char *path, unsigned long limit);

/* Any thread; shadow is that thread's. */
void judge__stack(const struct judge_stack *stack, const struct shadow *shadow);

/* Forgets what was counted: a forked child's begins anew. */
void judge__clear(void);

/* Appends the results of this process, if it handed over any stack, and forgets them. */
void judge__report(void);

#endif /* JUDGE_H */
