/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stacks of one thread: a program may switch between several (fibers, coroutines), and each has
 * calls of its own. A switch is a jump or a return after which the stack pointer is where the calls
 * of the stack in use cannot have put it.
 */
#ifndef CONTEXTS_H
#define CONTEXTS_H

#include "shadow.h"

#define MAX_SUSPENDED 64

struct contexts {
	struct shadow current;
	struct shadow suspended[MAX_SUSPENDED]; /* those without calls are free */
	unsigned oldest;			/* to be given up when there is no room */
};

/* Forgets all of them, as a new thread must. */
void contexts__clear(struct contexts *contexts);

/* Makes the stack of sp the current one; sp_before is from a few instructions earlier. */
void contexts__follow(struct contexts *contexts, uint64_t sp_before, uint64_t sp);

#endif /* CONTEXTS_H */
