/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of a program under a tracer's eyes: how it and what it started ended, and where it
 * crashed. */
#ifndef FAIL_RUN_H
#define FAIL_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fail/driver.h"
#include "fail/stack.h"
#include "fail/verdict.h"

struct fail_run {
	char **command;		/* searched in PATH; NULL-terminated */
	char *const *variables; /* NAME=VALUE, for its environment; NULL-terminated */
	uint64_t timeout_ns;	/* 0: none */
	bool on_terminal;	/* standard streams are heaptap's; else stdin is the file that is
				 * heaptap's       stdin, from its beginning, or empty, and the output is
				 * kept
				 */
	const struct fail_drive *drive; /* NULL: the program ends by itself */
	bool untraced;			/* no stack of a crash, and nothing of the children */
};

struct fail_end {
	struct fail_outcome outcome;
	struct fail_stack crash; /* of outcome.signal; empty: not known */
	pid_t signalled;	 /* the process that got it; 0: none, or not known */
	uint64_t duration_ns;
	pid_t *exited; /* what has ended by exit, of the processes that are known, and of threads */
	size_t nr_exited;
};

/* Blocks the signals that fail_run__do waits for, and takes note of those that end heaptap. */
void fail_run__begin_all(void);
/* Has one of these come? */
bool fail_run__is_over(void);

/*
 * Runs the command to its end, or its time's. What it has started and what lives a moment longer is
 * killed. 0; -EINTR: Ctrl-C or SIGTERM came, and the run is killed; other -errno: it could not be
 * run, after a sentence. *end is to be cleared by fail_end__clear.
 */
int fail_run__do(const struct fail_run *run, struct fail_end *end);
void fail_end__clear(struct fail_end *end);

#endif /* FAIL_RUN_H */
