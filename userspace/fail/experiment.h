/* SPDX-License-Identifier: BSD-2-Clause */
/* One run in which allocations fail, and what it says of their call paths. */
#ifndef FAIL_EXPERIMENT_H
#define FAIL_EXPERIMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fail/database.h"
#include "fail/live.h"
#include "fail/paths.h"
#include "fail/run.h"

/* What all runs of one program have in common. The strings are the caller's. */
struct fail_setup {
	char **command;
	const char *library;	 /* path of libheaptap-preload.so */
	const char *ignore;	 /* MALLOCFAIL_IGNORE; NULL: nothing */
	const char *folder;	 /* a folder of heaptap's own for files of a run */
	bool untraced, no_leaks; /* no_leaks: do not look for any */
	struct fail_drive drive;
	uint64_t timeout_ns; /* 0: by the baseline */
	struct fail_baseline baseline;
	struct fail_live live; /* what undisturbed runs leave; fail_live__clear */
	/* Such runs since there was something new in that, and besides the first two. */
	unsigned nr_calm, nr_more;
};

/* Two undisturbed runs: how they end, whether they do the same, how long they take. 0, -EINTR, or
 * -errno after a sentence: it crashes or hangs without any failure. */
int fail_experiment__calibrate(struct fail_setup *setup);

/*
 * A run with these rules (HEAPTAP_FAIL) and this file of known paths (NULL: none), as number run.
 * 0: *failed, to be cleared by fail_paths__clear, has the paths with verdicts: how the run ended is
 * laid to culprit where that has failed, else to the last one of the process that crashed, else to
 * the last; the others were survived. -EINTR; other
 * -errno after a sentence.
 */
int fail_experiment__do(struct fail_setup *setup, const char *rules, const char *known,
			uint64_t run, bool on_terminal, uint64_t culprit,
			struct fail_paths *failed);

/* The environment of such a run: strings NAME=VALUE and a NULL, to be freed with the array. log
 * NULL: none. */
char **fail_experiment__variables(const struct fail_setup *setup, const char *rules,
				  const char *known, const char *log);
void fail_experiment__free_variables(char **variables);

#endif /* FAIL_EXPERIMENT_H */
