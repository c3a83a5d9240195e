/* SPDX-License-Identifier: BSD-2-Clause */
/* Coroutines: blocks from stacks that are arrays, switched to and fro by swapcontext. */
#include <stdlib.h>
#include <ucontext.h>

#include "tally.h"

#define NOINLINE      __attribute__((noinline, noclone))
#define NR_COROUTINES 3

static ucontext_t outside, inside[NR_COROUTINES];
static char stacks[NR_COROUTINES][64 << 10];
static void *volatile kept;
static volatile int after;

static NOINLINE void descend(int self, int levels)
{
	if (levels) {
		descend(self, levels - 1);
	} else {
		kept = malloc(1000 + self);
		MUST(!swapcontext(&inside[self], &outside));
		kept = malloc(2000 + self);
	}
	after++;
}

static void coroutine(int self)
{
	descend(self, 3 * self);
	after++;
}

static NOINLINE void resume(int which)
{
	kept = malloc(3000 + which);
	MUST(!swapcontext(&outside, &inside[which]));
	after++;
}

int main(void)
{
	int i;

	for (i = 0; i < NR_COROUTINES; i++) {
		MUST(!getcontext(&inside[i]));
		inside[i].uc_stack.ss_sp = stacks[i];
		inside[i].uc_stack.ss_size = sizeof(stacks[i]);
		inside[i].uc_link = &outside;
		makecontext(&inside[i], (void (*)(void))coroutine, 1, i);
	}
	for (i = 0; i < 2 * NR_COROUTINES; i++)
		resume(i % NR_COROUTINES);
	return 0;
}
