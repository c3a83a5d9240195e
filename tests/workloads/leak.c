/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leak COUNT MS BYTES: COUNT times, every MS milliseconds, allocates BYTES and forgets them, and
 * allocates and frees some more. With a fourth argument it then crashes.
 */
#include <stdlib.h>
#include <unistd.h>

static void *volatile sink;

static __attribute__((noinline)) void leak_in_here_for_ever(size_t bytes)
{
	sink = malloc(bytes);
}

static __attribute__((noinline)) void churn(size_t bytes)
{
	sink = malloc(bytes);
	free(sink);
}

int main(int argc, char **argv)
{
	unsigned long i, count, pause_us;

	if (argc < 4)
		return 2;
	count = strtoul(argv[1], NULL, 10);
	pause_us = strtoul(argv[2], NULL, 10) * 1000;
	for (i = 0; i < count; i++) {
		leak_in_here_for_ever(strtoul(argv[3], NULL, 10));
		churn(33);
		usleep((useconds_t)pause_us);
	}
	if (argc > 4)
		abort();
	return 0;
}
