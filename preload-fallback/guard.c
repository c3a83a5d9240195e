// SPDX-License-Identifier: BSD-2-Clause
#include "guard.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "os.h"
#include "recorder.h"
#include "ring.h"
#include "snapshot.h"

/* A thread that is being scheduled commits sooner than that. */
#define SUSPECT_NS (20 * NSEC_PER_MSEC)

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
static __attribute__((noinline, cold)) bool is_stale(const struct guard_thread *thread, uintptr_t cfa)
{
	if (!thread->outer)
		return false; /* the library itself, outside of any call */
	/* The stack grows down: who is called by it was called from below its mark. */
	if (cfa > (uintptr_t)thread->outer)
		return !on_signal_stack();
	return *(volatile uint32_t *)&thread->outer->mark != thread->mark;
}

static void suspect(struct guard_thread *thread, const struct ring_claim *claim)
{
	if (thread->nr_suspects == GUARD_SUSPECTS)
		return;
	thread->suspects[thread->nr_suspects++] = *claim;
	thread->suspect_ns = os__monotonic_ns();
}

static void give_up(const struct ring_claim *claim)
{
	ring__give_up(recorder.ring, claim);
	ring__count_lost(recorder.ring, 1);
}

/* The consumer cannot pass what is never committed. Signals wait: a handler that came between the
 * words of what is kept here, or jumped out, would have the thread forget a place. */
static __attribute__((noinline, cold)) void heal(struct guard_thread *thread)
{
	sigset_t before;

	os__block_signals(&before);
	for (unsigned i = 0; i < GUARD_DEPTH; i++) {
		struct ring_claim *claim = &thread->claims[i];

		/* Without a recording there are neither claims nor a ring. */
		if (claim->bytes && ring__is_open(recorder.ring, claim)) {
			if (claim->at)
				give_up(claim);
			else
				suspect(thread, claim);
		}
		claim->bytes = 0;
	}
	snapshot__thrown_out();
	thread->depth = 0;
	thread->serial = 0;
	guard__set_phase(GUARD_OUTSIDE);
	thread->outer = NULL;
	os__allow_signals(&before);
}

/*
 * The thread was thrown out of the few instructions in which it is not known whose the place is. If
 * another's, that one is about to commit it: if nobody does, it was this thread's.
 */
__attribute__((noinline, cold)) void guard__check_suspects(void)
{
	struct guard_thread *thread = &guard_thread;
	sigset_t before;

	if (os__monotonic_ns() - thread->suspect_ns <= SUSPECT_NS)
		return;
	os__block_signals(&before);
	while (thread->nr_suspects) {
		const struct ring_claim *claim = &thread->suspects[--thread->nr_suspects];

		if (ring__is_open(recorder.ring, claim))
			give_up(claim);
	}
	os__allow_signals(&before);
}

bool guard__enter(struct guard_call *call, uintptr_t cfa)
{
	struct guard_thread *thread = &guard_thread;

	if (thread->phase != GUARD_OUTSIDE && is_stale(thread, cfa))
		heal(thread);
	if (thread->phase == GUARD_REAL || thread->phase == GUARD_INTERNAL)
		return false;
	if (thread->nr_suspects && thread->phase == GUARD_OUTSIDE)
		guard__check_suspects();
	call->in_handler = thread->phase == GUARD_RECORDING;
	if (call->in_handler && thread->depth + 1 == GUARD_DEPTH)
		return false;
	call->phase = thread->phase;
	call->outer = thread->outer;
	call->outer_mark = thread->mark;
	call->depth = thread->depth;
	/* Never 0, which fresh memory has. */
	thread->next_mark += 2;
	call->mark = thread->next_mark | 1;
	thread->depth += call->in_handler;
	thread->mark = call->mark;
	thread->outer = call;
	guard__set_phase(GUARD_RECORDING);
	return true;
}

void guard__leave(struct guard_call *call)
{
	struct guard_thread *thread = &guard_thread;

	*(volatile uint32_t *)&call->mark = 0;
	thread->depth = call->depth;
	/* First: inside of nothing, a thread that is thrown out here would be deaf for ever. */
	guard__set_phase(call->phase);
	thread->mark = call->outer_mark;
	thread->outer = call->outer;
}
