/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a thread is: outside of the allocator, inside a real function, or in this library. The
 * outermost call of a thread counts, and nothing else: realloc(NULL) may call malloc, new does.
 *
 * A call that is never left, because an exception or a longjmp has passed it, must not leave the
 * thread deaf. The outermost call's mark lies on the stack: it is stale when a call comes from
 * above it, or when it has been overwritten.
 */
#ifndef PRELOAD_GUARD_H
#define PRELOAD_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

enum guard_phase {
	GUARD_OUTSIDE,
	GUARD_REAL,	 /* in the real function: calls from there are its own affair */
	GUARD_RECORDING, /* in this library, which calls no allocator: a call is a signal handler's
			  */
	GUARD_INTERNAL,	 /* in a function of the C library that may allocate */
};

/* On the stack of the outermost call. */
struct guard_call {
	uint32_t mark;
	bool in_handler; /* of a thread that is recording: do not wait for anything */
	/* What was before. */
	enum guard_phase phase;
	uint32_t outer_mark;
	struct guard_call *outer;
	unsigned depth;
};

/* Handlers that interrupt this library in each other; deeper ones are not recorded. */
#define GUARD_DEPTH    4
#define GUARD_SUSPECTS 8

/* A thread's own. Written by its signal handlers, too. */
struct guard_thread {
	enum guard_phase phase;
	uint32_t mark, next_mark;
	struct guard_call *outer; /* what it points to may be gone */
	unsigned depth;
	struct ring_claim claims[GUARD_DEPTH]; /* [depth] is that of the present call */
	/* Places that may be of this thread, which will not commit them, and since when the
	 * last. Changed while no signal can come. */
	unsigned nr_suspects;
	struct ring_claim suspects[GUARD_SUSPECTS];
	uint64_t suspect_ns;
	uint32_t tid; /* 0: not known yet */
	struct ring_fork_slot *fork; /* it is forking; NULL: it is not, or nobody is to know */
	/* The last walk: the unwinder's serial of it, the stack's id, where that was sent, and
	 * when. */
	uint32_t serial, stack, generation, epoch;
	uint32_t near; /* of the stack before, for stacks__intern */
};

/* A thread's, in memory that is there when the thread is: no access ever allocates. */
extern __thread struct guard_thread guard_thread __attribute__((tls_model("initial-exec")));

/* Begins a call of a hook, whose canonical frame address is cfa. False: it is not to be counted,
 * and guard__leave not to be called. */
bool guard__enter(struct guard_call *call, uintptr_t cfa);
void guard__leave(struct guard_call *call);

static inline void guard__set_phase(enum guard_phase phase)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	guard_thread.phase = phase;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Gives up those that nobody else has committed in time. */
void guard__check_suspects(void);

/* Where the present call keeps what it reserves. */
static inline struct ring_claim *guard__claim(void)
{
	return &guard_thread.claims[guard_thread.depth];
}

#endif /* PRELOAD_GUARD_H */
