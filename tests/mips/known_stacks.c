// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hands over stacks that it knows without walking: what the oracle is tried with. Every function
 * notes its own return address; who called main is not known, so stacks are marked as cut there.
 * Compile with -O1 -fno-optimize-sibling-calls -pthread.
 */
#include "handover.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#define NOINLINE  __attribute__((noinline))
#define MAX_NOTED 64
#define NR_DEEP	  20

static __thread unsigned long noted[MAX_NOTED]; /* outermost first */
static __thread unsigned nr_noted;

#define NOTE()	 (noted[nr_noted++] = (unsigned long)__builtin_return_address(0))
#define FORGET() (nr_noted--)

/* Stands for malloc's hook. lie: the index of a frame to falsify, -1 for none. */
static NOINLINE void hand_over(int lie, unsigned long flags)
{
	unsigned long frames[MAX_NOTED];

	NOTE();
	for (unsigned i = 0; i < nr_noted; i++)
		frames[i] = noted[nr_noted - 1 - i];
	if (lie >= 0)
		frames[lie] += 4;
	handover__begin();
	handover__frames(frames, nr_noted, (unsigned long)__builtin_dwarf_cfa(), flags);
	FORGET();
}

static NOINLINE int recurse(int depth, int lie, unsigned long flags)
{
	int sum = depth;

	NOTE();
	if (depth > 0)
		sum += recurse(depth - 1, lie, flags);
	else
		hand_over(lie, flags);
	FORGET();
	return sum;
}

static jmp_buf back;

static NOINLINE int leap(int depth)
{
	int sum = depth;

	NOTE();
	if (depth == 0)
		longjmp(back, 1);
	sum += leap(depth - 1);
	FORGET();
	return sum;
}

/* A jump over calls that never return, and a stack behind it. */
static NOINLINE void leave_by_longjmp(void)
{
	unsigned nr = nr_noted + 1;

	NOTE();
	if (setjmp(back) == 0)
		leap(NR_DEEP);
	nr_noted = nr;
	hand_over(-1, HANDOVER_CUT);
	FORGET();
}

static sigjmp_buf out_of_handler;
static volatile int leave_handler;

static void handle(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *interrupted = context;

	noted[nr_noted++] = interrupted->uc_mcontext.pc;
	recurse(3, -1, HANDOVER_CUT);
	FORGET();
	if (leave_handler)
		siglongjmp(out_of_handler, 1);
	((ucontext_t *)context)->uc_mcontext.pc += 4; /* behind the trap */
}

static NOINLINE void trap(void)
{
	NOTE();
	__asm__ volatile("teq $0, $0, 0x3ff");
	hand_over(-1, HANDOVER_CUT);
	FORGET();
}

static NOINLINE void trap_and_leave(void)
{
	unsigned nr = nr_noted + 1;

	NOTE();
	leave_handler = 1;
	if (sigsetjmp(out_of_handler, 1) == 0)
		trap();
	leave_handler = 0;
	nr_noted = nr;
	hand_over(-1, HANDOVER_CUT);
	FORGET();
}

static void signals(int flags)
{
	static char stack[1 << 16];
	stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | flags };

	NOTE();
	sigaltstack(&other, NULL);
	sigaction(SIGTRAP, &action, NULL);
	trap();
	trap_and_leave();
	trap();
	FORGET();
}

static void *thread(void *arg)
{
	NOTE();
	recurse(NR_DEEP, -1, HANDOVER_CUT);
	FORGET();
	return arg;
}

/* 1 wrong, 1 short, 16 right: 3 by recursion, 1 by longjmp, 2 * 6 by signals. */
int main(void)
{
	pthread_t other;

	NOTE();
	recurse(5, 2, HANDOVER_CUT); /* wrong */
	recurse(5, -1, 0);	     /* short */
	recurse(0, -1, HANDOVER_CUT);
	recurse(NR_DEEP, -1, HANDOVER_CUT);
	leave_by_longjmp();
	signals(0);
	signals(SA_ONSTACK);
	pthread_create(&other, NULL, thread, NULL);
	pthread_join(other, NULL);
	return 0;
}
