/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting a command so that it is watched from its first instruction. The child is traced with
 * ptrace only while the dynamic loader maps files: at each new executable mapping it stands still,
 * so that probes can be set before any code of that file runs. Then it is let go and runs untraced.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct launch {
	pid_t pid;
	bool loading;	/* still traced */
	bool maps_code; /* the system call under way maps a file executable */
	unsigned nr_stops;
	int status;	  /* after LAUNCH_ENDED: the wait status */
	uint64_t dynamic; /* address of its dynamic section; 0: linked statically */
};

enum launch_event {
	LAUNCH_MAPPED,	/* new executable mappings; it stands still until the next launch__next */
	LAUNCH_RUNNING, /* the loader is done: the process runs freely */
	LAUNCH_ENDED,	/* it ended while it was loaded, and was collected */
};

/*
 * Starts command (searched in PATH) and stops it right after exec: the executable and its loader
 * are mapped, nothing of them has run. Says in a sentence what failed and returns -errno.
 */
int launch__start(struct launch *launch, char **command);

/* Lets the process run to its next event. Returns an enum launch_event or -errno. */
int launch__next(struct launch *launch);

#endif /* LAUNCH_H */
