/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that never gets on while it records a free: its clock stands still. The others allocate a
 * thousand blocks then, and the program ends. Has a clock of its own, which all its libraries use.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static __thread volatile int nr_until_stuck;
static volatile int is_stuck;
static void *volatile sink;

int clock_gettime(clockid_t clock, struct timespec *time)
{
	if (nr_until_stuck && !--nr_until_stuck) {
		is_stuck = 1;
		for (;;)
			pause();
	}
	return (int)syscall(SYS_clock_gettime, clock, time);
}

static void *other(void *block)
{
	nr_until_stuck = 1;
	free(block);
	return NULL;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, other, malloc(99)))
		return 1;
	while (!is_stuck)
		usleep(1000);
	for (int i = 0; i < 1000; i++)
		sink = malloc(7777);
	return 0;
}
