// SPDX-License-Identifier: BSD-2-Clause
/*
 * pairs DEPTH: for each number N on standard input, N pairs of malloc and free, each DEPTH calls
 * below the loop; prints the CPU time of the thread for one pair, in ns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *volatile block;

/* What comes after the call keeps it from being a jump. */
__attribute__((noinline)) static int pair(int depth)
{
	int sum = 1;

	if (depth > 1) {
		sum += pair(depth - 1);
	} else {
		block = malloc(32);
		free(block);
	}
	__asm__ volatile("" : "+r"(sum));
	return sum;
}

static double thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
	int depth = argc > 1 ? atoi(argv[1]) : 1;
	long pairs;

	while (scanf("%ld", &pairs) == 1 && pairs > 0) {
		double start = thread_ns();

		for (long i = 0; i < pairs; i++)
			pair(depth);
		printf("%.1f\n", (thread_ns() - start) / (double)pairs);
		fflush(stdout);
	}
	return 0;
}
