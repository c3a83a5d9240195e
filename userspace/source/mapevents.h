/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Executable mappings as they are made, told by the kernel's perf events (PERF_RECORD_MMAP2): with
 * the path, so nothing is missed when the process has already ended. One event a CPU sees every
 * process.
 */
#ifndef MAPEVENTS_H
#define MAPEVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "probe/target.h"

struct mapevents {
	struct mapevents_cpu *cpus;
	size_t nr_cpus;
	bool lost; /* the kernel dropped events: /proc/PID/maps must be read again */
};

/* 0 or -errno. */
int mapevents__open(struct mapevents *events);
void mapevents__close(struct mapevents *events);

/* Adds what becomes readable with each new event to an epoll. */
void mapevents__watch(const struct mapevents *events, int epoll);

/* Calls visit for every new executable mapping of any process, made at time_ns (CLOCK_MONOTONIC).
 */
void mapevents__drain(struct mapevents *events,
		      void (*visit)(pid_t pid, const struct target_mapping *mapping,
				    uint64_t time_ns, void *data),
		      void *data);

#endif /* MAPEVENTS_H */
