/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a function in a child process with bounded CPU time, wall time and memory: for libraries
 * that parse hostile files. */
#ifndef ISOLATE_H
#define ISOLATE_H

#include <stddef.h>
#include <stdint.h>

struct isolate_limits {
	uint64_t wall_ns;      /* killed after it */
	uint64_t memory_bytes; /* address space beyond what the process has already */
	size_t output_bytes;   /* more output than that is an error */
};

/*
 * Forks; the child calls work(fd, data), which writes its result to fd and returns 0 or an errno;
 * the parent collects it. Works as root, unprivileged, in a threaded process (the child may call
 * anything the parent could: heaptap is single-threaded when it symbolizes). 0: *output, *len are
 * the result, to be freed by the caller. -ETIMEDOUT, -EFAULT (it crashed), -ENOMEM, -EMSGSIZE, or
 * work's own -errno; *output is then NULL, and nothing is printed by the child's death.
 */
int isolate__run(int (*work)(int fd, void *data), void *data, const struct isolate_limits *limits,
		 char **output, size_t *len);

#endif /* ISOLATE_H */
