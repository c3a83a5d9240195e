/* SPDX-License-Identifier: BSD-2-Clause */
/* heaptap fail with a command: runs of it, each with another allocation that fails. */
#ifndef FAIL_DRIVE_H
#define FAIL_DRIVE_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "fail/experiment.h"

struct options;

/* Exit status when the program has faults. */
#define EXIT_FAULTS 3

/* All of it; returns the exit status. */
int fail_drive__run(const struct options *options);

/* What the parts of it share. */
struct fail_session {
	const struct options *options;
	struct fail_setup setup;
	struct fail_database database;
	char **rules; /* values of HEAPTAP_FAIL, one after the other */
	size_t nr_rules;
	regex_t ready; /* only where options->ready is */
	bool has_ready;
	char *library, *ignore, *folder;
};

/* Makes the rules and the pattern of the options; to be cleared also after an error. 0, or -EINVAL
 * after a sentence. (fail_session.c) */
int fail_session__read_options(struct fail_session *session);
void fail_session__clear_options(struct fail_session *session);

/* --replay; returns the exit status. (fail_replay.c) */
int fail_replay__run(struct fail_session *session);

#endif /* FAIL_DRIVE_H */
