/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What drives a server in a run: waits for the line that says that it is ready, runs a client, and
 * ends the server when that is done.
 */
#ifndef FAIL_DRIVER_H
#define FAIL_DRIVER_H

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* No status of wait(2): no client has ended. */
#define FAIL_NO_CLIENT UINT32_MAX

/* How servers are driven; all is the caller's. Without either there is nothing to drive. */
struct fail_drive {
	const regex_t *ready; /* a line of stdout or stderr that says so; NULL: it is at once */
	const char *client;   /* for a shell; NULL: none, the server is ended when it is ready */
};

struct driver {
	const struct fail_drive *drive; /* NULL: there is nothing to do */
	pid_t server, client;		/* client 0: none lives */
	int out;			/* for what the client prints; -1: none */
	uint32_t client_status;		/* as wait(2) has it, or FAIL_NO_CLIENT */
	bool is_ready, has_ended_it;
	uint64_t stop_ns;    /* when it should have ended; UINT64_MAX: it was not asked to */
	uint64_t nr_seen[2]; /* bytes of stdout, and of stderr, that have no such line */
};

/* drive may be NULL, and stays the caller's. */
void driver__begin(struct driver *driver, const struct fail_drive *drive, pid_t server);
/* Does what is to be done next. out, err: files with what the server has printed; -1: none. 0, or
 * -errno: the client could not be started. */
int driver__step(struct driver *driver, int out, int err);
/* What wait(2) says of pid. False: that is not the client. */
bool driver__take(struct driver *driver, pid_t pid, int status);
/* In how many ns driver__step wants to be called again at the latest. */
uint64_t driver__patience_ns(const struct driver *driver);
/* Kills what is left of the client. driver->out is the caller's to close. */
void driver__end(struct driver *driver);

#endif /* FAIL_DRIVER_H */
