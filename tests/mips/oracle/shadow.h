/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread's calls that have not returned, kept from the branches it takes: nothing is read of the
 * code but calls and returns, nothing of tables or symbols. A call is known by its return address
 * and the stack pointer it was made with.
 */
#ifndef SHADOW_H
#define SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shadow_call {
	uint64_t ret; /* the return address; of a handler's, the trampoline */
	uint64_t sp;  /* of the caller; of a handler's, what the handler began with */
	uint64_t
		interrupted; /* the kernel called a handler here, at this pc; 0: an ordinary call */
	uint64_t interrupted_sp;
};

struct shadow {
	struct shadow_call *calls; /* outermost first */
	size_t nr, capacity;
	uint64_t nr_dropped; /* calls too deep to be kept */
};

/* Forgets all calls, as a new thread must; keeps the memory. */
void shadow__clear(struct shadow *shadow);

/* A call with the stack pointer sp that returns to ret. Calls left without a return are removed. */
void shadow__call(struct shadow *shadow, uint64_t ret, uint64_t sp);

/* A return to pc, where the stack pointer is sp. */
void shadow__return(struct shadow *shadow, uint64_t pc, uint64_t sp);

/* A jump by a register, after which the stack pointer is sp. */
void shadow__jump(struct shadow *shadow, uint64_t sp);

/* The kernel calls a handler, which begins with sp and returns to the trampoline. */
void shadow__signal(struct shadow *shadow, uint64_t trampoline, uint64_t sp, uint64_t interrupted,
		    uint64_t interrupted_sp);

#endif /* SHADOW_H */
