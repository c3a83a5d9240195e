/* SPDX-License-Identifier: BSD-2-Clause */
/* Several processes of heaptap that do the same work side by side. */
#ifndef FAIL_JOBS_H
#define FAIL_JOBS_H

#include <stdbool.h>
#include <stdint.h>

/* What they have in common, in memory they share. */
struct fail_shared {
	uint64_t nr_runs, nr_found, nr_faults;
	uint64_t nr_ids;
	uint64_t ids[1 << 16]; /* what does not fit is left out */
};

/* NULL: no memory. */
struct fail_shared *fail_shared__new(void);
void fail_shared__free(struct fail_shared *shared);
/* A path that was not known, or that is a fault, has been found. */
void fail_shared__count(struct fail_shared *shared, bool is_new, bool is_fault);
/* The number of a run that begins, from 1. */
uint64_t fail_shared__next_run(struct fail_shared *shared);
void fail_shared__add_id(struct fail_shared *shared, uint64_t id);

/*
 * Calls work(data, number) in nr child processes, and waits for them. work returns 0, or the errno
 * of what it could not do, said. progress is called now and then meanwhile. What ends heaptap ends
 * them, too. 0, or -errno: the first of theirs.
 */
int fail_jobs__run(unsigned nr, int (*work)(void *data, unsigned number),
		   void (*progress)(void *data), void *data);

#endif /* FAIL_JOBS_H */
