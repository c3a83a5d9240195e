/* SPDX-License-Identifier: BSD-2-Clause */
/* How a process that is not a child of heaptap has ended. */
#ifndef EXIT_STATUS_H
#define EXIT_STATUS_H

#include <stdint.h>
#include <sys/types.h>

/* The wait status of process pid, which has ended; pidfd: of it, or -1. 0 where it is not known:
 * the kernel keeps it from Linux 6.15 on, before that only until its parent has collected it. */
uint32_t exit_status__of(pid_t pid, int pidfd);

#endif /* EXIT_STATUS_H */
