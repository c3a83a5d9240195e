/* SPDX-License-Identifier: BSD-2-Clause */
/* heaptap fail with a command: runs of it, each with another allocation that fails. */
#ifndef FAIL_DRIVE_H
#define FAIL_DRIVE_H

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
	char *rules; /* HEAPTAP_FAIL */
	char *library, *ignore, *folder;
};

/* --replay; returns the exit status. (fail_replay.c) */
int fail_replay__run(struct fail_session *session);

#endif /* FAIL_DRIVE_H */
