// SPDX-License-Identifier: BSD-2-Clause
#include "guard.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "ring.h"

__thread struct guard_thread guard_thread __attribute__((tls_model("initial-exec")));

/* A handler's stack may lie anywhere, so nothing follows from where its calls come from. */
static bool on_signal_stack(void)
{
	stack_t stack = { 0 };
	int saved = errno;
	bool on = !sigaltstack(NULL, &stack) && stack.ss_flags & SS_ONSTACK;

	errno = saved;
	return on;
}

/* Is the outermost call gone, of which the thread never heard that it ended? */
static bool is_stale(const struct guard_thread *thread, const struct guard_call *call)
{
	if (!thread->outer)
		return false; /* the library itself, outside of any call */
	/* The stack grows down: who is called by it lies below it. */
	if ((uintptr_t)call >= (uintptr_t)thread->outer)
		return !on_signal_stack();
	return *(volatile uint32_t *)&thread->outer->mark != thread->mark;
}

/* The consumer cannot pass what is never committed. */
static void heal(struct guard_thread *thread)
{
	if (thread->phase == GUARD_RECORDING && thread->pending)
		ring__commit(thread->pending, RING_PAD, (uint16_t)thread->pending_bytes);
	thread->pending = NULL;
	thread->phase = GUARD_OUTSIDE;
	thread->outer = NULL;
	thread->serial = 0;
}

bool guard__enter(struct guard_call *call)
{
	struct guard_thread *thread = &guard_thread;

	if (thread->phase != GUARD_OUTSIDE && is_stale(thread, call))
		heal(thread);
	if (thread->phase == GUARD_REAL || thread->phase == GUARD_INTERNAL)
		return false;
	call->in_handler = thread->phase == GUARD_RECORDING;
	call->phase = thread->phase;
	call->outer = thread->outer;
	call->outer_mark = thread->mark;
	call->pending = thread->pending;
	call->pending_bytes = thread->pending_bytes;
	/* Never 0, which fresh memory has. */
	thread->next_mark += 2;
	call->mark = thread->next_mark | 1;
	thread->pending = NULL;
	thread->mark = call->mark;
	thread->outer = call;
	guard__set_phase(GUARD_RECORDING);
	return true;
}

void guard__leave(struct guard_call *call)
{
	struct guard_thread *thread = &guard_thread;

	*(volatile uint32_t *)&call->mark = 0;
	thread->mark = call->outer_mark;
	thread->outer = call->outer;
	thread->pending = call->pending;
	thread->pending_bytes = call->pending_bytes;
	guard__set_phase(call->phase);
}
