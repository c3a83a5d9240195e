/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   crowd COUNT LOOPS [wait]  COUNT threads that begin at once; each LOOPS times malloc, realloc,
 *                             free, and keeps one block. Prints the sum of the threads' tallies,
 *                             without the peak, which no one of them knows.
 *
 * "wait": the threads are there before the line on stdin that lets them begin, and after the tally
 * until stdin ends: what the C library allocates for threads is no part of it.
 */
#include <pthread.h>
#include <stdlib.h>

#include "tally.h"

#define MAX_THREADS 1000

static pthread_barrier_t begin, done, leave;
static size_t loops;
static void *volatile kept[MAX_THREADS];
static pthread_t threads[MAX_THREADS];

static __attribute__((noinline, noclone)) void *keep_in_crowd(void)
{
	return malloc(64);
}

static void *work(void *arg)
{
	size_t self = (size_t)arg, i;

	pthread_barrier_wait(&begin);
	for (i = 0; i < loops; i++) {
		void *volatile block = malloc(16 + (i & 255));

		block = realloc(block, 500);
		free(block);
	}
	kept[self] = keep_in_crowd();
	pthread_barrier_wait(&done);
	pthread_barrier_wait(&leave);
	return NULL;
}

static void tally_thread(void)
{
	size_t i;

	for (i = 0; i < loops; i++) {
		tally_allocated(16 + (i & 255));
		tally_resized(16 + (i & 255), 500);
		tally_freed(500);
	}
	tally_allocated(64);
}

int main(int argc, char **argv)
{
	size_t count, i;
	char byte = 0;

	MUST(argc >= 3);
	count = strtoul(argv[1], NULL, 10);
	loops = strtoul(argv[2], NULL, 10);
	MUST(count <= MAX_THREADS);
	MUST(!pthread_barrier_init(&begin, NULL, count + 1));
	MUST(!pthread_barrier_init(&done, NULL, count + 1));
	MUST(!pthread_barrier_init(&leave, NULL, count + 1));
	for (i = 0; i < count; i++)
		MUST(!pthread_create(&threads[i], NULL, work, (void *)i));
	while (argc > 3 && byte != '\n')
		MUST(read(STDIN_FILENO, &byte, 1) == 1);
	pthread_barrier_wait(&begin);
	pthread_barrier_wait(&done);
	for (i = 0; i < count; i++)
		tally_thread();
	tally_print();
	while (argc > 3 && read(STDIN_FILENO, &byte, 1) == 1)
		;
	pthread_barrier_wait(&leave);
	for (i = 0; i < count; i++)
		MUST(!pthread_join(threads[i], NULL));
	return 0;
}
