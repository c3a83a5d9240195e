/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks from signal handlers: on the interrupted stack, on an alternate one, one inside the other,
 * and at the first instruction of a function. The signals are raised outside of the allocator.
 */
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

#include "tally.h"

#define NOINLINE __attribute__((noinline, noclone))

static void *volatile kept;
static volatile int after;

void unwind_trap(void);
__asm__(".text\n"
	".type unwind_trap, @function\n"
	"unwind_trap:\n"
	"	.cfi_startproc\n"
	"	ud2\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size unwind_trap, .-unwind_trap\n");

static NOINLINE void keep(size_t bytes)
{
	kept = malloc(bytes);
	after++;
}

static NOINLINE void allocate(int number)
{
	keep(1000 + number);
	after++;
}

static void handle(int number, siginfo_t *info, void *context)
{
	(void)info;
	allocate(number);
	if (number == SIGUSR1)
		raise(SIGUSR2);
	/* Over the instruction that trapped. */
	if (number == SIGILL)
		((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
	after++;
}

static void catch (int number, int flags)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | flags };

	MUST(!sigaction(number, &action, NULL));
}

static NOINLINE void interrupted(int levels)
{
	if (levels) {
		interrupted(levels - 1);
	} else {
		raise(SIGUSR1);
		raise(SIGHUP);
		unwind_trap();
	}
	after++;
}

int main(void)
{
	static char space[64 << 10];
	stack_t stack = { .ss_sp = space, .ss_size = sizeof(space) };

	MUST(!sigaltstack(&stack, NULL));
	catch (SIGUSR1, SA_ONSTACK);
	catch (SIGUSR2, SA_ONSTACK);
	catch (SIGHUP, 0);
	catch (SIGILL, SA_ONSTACK);
	interrupted(5);
	catch (SIGILL, 0);
	interrupted(5);
	return 0;
}
