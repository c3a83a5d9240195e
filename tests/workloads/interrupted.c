/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks from a signal handler, below which a function was interrupted at its first instruction, and
 * another at the first of a line. To be compiled so that neither begins with anything else: -O2,
 * and on x86-64 -fcf-protection=none.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

#include "tally.h"

#define NOINLINE __attribute__((noinline, noclone))

static sigjmp_buf back;
static void *volatile kept;
static volatile size_t bytes;
static volatile int *nowhere;

/* What a frame is taken for if it is looked up too early. */
NOINLINE int innocent(int a)
{
	return a + (int)bytes;
}

NOINLINE int at_first_instruction(const int *p)
{
	return *p * 5;
}

NOINLINE int at_first_of_line(int *volatile *p)
{
	int *at = *p;
	return *at * 5;
}

static void handle(int number)
{
	kept = malloc(bytes);
	siglongjmp(back, number);
}

int main(void)
{
	struct sigaction action = { .sa_handler = handle };

	MUST(!sigaction(SIGSEGV, &action, NULL));
	bytes = 1000;
	if (!sigsetjmp(back, 1))
		return at_first_instruction(NULL) + innocent(1);
	bytes = 2000;
	if (!sigsetjmp(back, 1))
		return at_first_of_line((int *volatile *)&nowhere);
	return 0;
}
