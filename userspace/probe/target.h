/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is watched: what /proc says of a process, and whether it can be watched at all. */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct target {
	pid_t pid;
	int pidfd;     /* readable when the process has ended */
	char *exe;     /* path of the executable, as the process sees it */
	char *cmdline; /* arguments separated by NUL */
	size_t cmdline_len;
	uint64_t started_ns; /* CLOCK_REALTIME */
};

/*
 * Fills target. When the process cannot be watched (it does not exist, is a kernel thread, a
 * zombie, a thread's id, 32-bit, hidden from us, or would be killed) says so in a sentence and
 * returns -errno.
 */
int target__open(pid_t pid, struct target *target);
void target__close(struct target *target);

/* Is there a process pid that has not ended? Says nothing. */
bool target__lives(pid_t pid);

/* Was it started by a shell with job control, which would notice if it were stopped for a moment?
 */
bool target__has_shell(const struct target *target);

/* One executable mapping of /proc/PID/maps. */
struct target_mapping {
	uint64_t start, end;
	uint64_t offset;  /* into the file */
	const char *path; /* "[vdso]" and the like included; "" for anonymous memory */
};

/* Calls visit for each executable mapping; visit returns non-zero to stop. 0, that value, or -errno
 * (-ESRCH when the process is gone). */
int target__for_each_mapping(pid_t pid,
			     int (*visit)(const struct target_mapping *mapping, void *data),
			     void *data);

/*
 * Opens the very file a mapping shows, even when it was deleted or lies in another mount namespace.
 * buffer, of size bytes, gets a path at which the kernel can open it, too. A descriptor, or -errno.
 */
int target__open_mapped(pid_t pid, uint64_t start, uint64_t end, const char *path, char *buffer,
			size_t size);

/* What else /proc says of a process that bears on watching it. */
struct target_condition {
	char state;	 /* proc(5): R, S, D, T, t, ... */
	pid_t tracer;	 /* who traces it; 0: nobody */
	pid_t inner_pid; /* its number in its own pid namespace */
	int seccomp;	 /* prctl(2), PR_GET_SECCOMP: 0 none, 1 strict, 2 filter */
};
/* 0, or -ESRCH. */
int target__condition(pid_t pid, struct target_condition *condition);

#define TARGET_MISSING_CAPABILITIES 128
/* Which capabilities watching others needs and this process has not: their names to missing. 0, or
 * -EPERM when there are any. */
int target__missing_capabilities(char missing[TARGET_MISSING_CAPABILITIES]);
/* Likewise, but says so in a sentence. */
int target__check_privileges(void);

#endif /* TARGET_H */
