/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In lossless mode the target is stopped now and then. Should heaptap be killed at such a moment, a
 * small process of its own continues the target.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdint.h>
#include <sys/types.h>

struct guard {
	pid_t pid;
};

/*
 * Starts the guard of the process behind target_pidfd. *stopped, in memory shared with the BPF
 * programs, tells whether it is stopped by us. 0 or -errno.
 */
int guard__start(struct guard *guard, int target_pidfd, const volatile uint32_t *stopped);
void guard__end(struct guard *guard);

#endif /* GUARD_H */
