// SPDX-License-Identifier: BSD-2-Clause
/*
 * From /proc/PID/status, which the kernel answers from counters; smaps would have it walk all page
 * tables with the process's mmap lock held.
 */
#include "source/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define MAX_STATUS (1u << 20)

/* A line "NAME:   123 kB" of proc(5)'s status, in bytes; 0: there is none. */
static uint64_t field_bytes(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

void memory__sample(struct queue *queue, pid_t pid)
{
	struct wire_memory record = { .time_ns = clock__monotonic_ns() };
	char path[64], *status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = file__read_all(path, MAX_STATUS, NULL);
	if (!status)
		return;
	record.anonymous_bytes = field_bytes(status, "\nRssAnon:");
	record.stack_bytes = field_bytes(status, "\nVmStk:");
	if (record.anonymous_bytes)
		queue__add(queue, WIRE_MEMORY, pid, &record, sizeof(record), NULL, 0, NULL, 0);
	free(status);
}
