/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watched processes are stopped now and then, for a moment. Should heaptap be killed at such a moment, a
 * small process of its own continues them.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdint.h>
#include <sys/types.h>

#include "unwind_abi.h"

struct guard {
	pid_t pid;
};

/*
 * Starts the guard of the processes in the BPF map followed_fd (bpf/follow_abi.h). What is in the slots
 * they name, memory shared with the BPF programs, tells which are stopped by us; one that has no slot
 * yet may be. 0 or -errno.
 */
int guard__start(struct guard *guard, int followed_fd,
		 const volatile struct unwind_process *slots);
void guard__end(struct guard *guard);

#endif /* GUARD_H */
