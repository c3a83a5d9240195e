/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   threads short COUNT        COUNT threads one after another, a few at a time; each allocates,
 *                              gives back, and keeps 48 bytes
 *   threads churn COUNT LOOPS  COUNT threads at once; each LOOPS times: malloc, realloc, free
 *                              (four records), and passes every 1000th block to the next thread
 *   threads until COUNT        the same until stdin ends
 *   threads orphan COUNT       the first thread ends before the COUNT others keep their blocks
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 8
#define MAX_THREADS 64

static size_t loops;
static void *volatile passed[MAX_THREADS];

static __attribute__((noinline)) void *keep_one(void)
{
	return malloc(48);
}

static void *live_shortly(void *arg)
{
	void *volatile block = malloc(100);

	(void)arg;
	block = realloc(block, 3000);
	free(block);
	return keep_one();
}

static void *churn(void *arg)
{
	size_t self = (size_t)arg, i;

	for (i = 0; i < __atomic_load_n(&loops, __ATOMIC_RELAXED); i++) {
		void *volatile block = malloc(16 + (i & 255));

		block = realloc(block, 16 + (i * 7 & 1023));
		if (i % 1000 == 0)
			block = __atomic_exchange_n(&passed[self], block, __ATOMIC_ACQ_REL);
		else if (i % 1000 == 500)
			block = __atomic_exchange_n(&passed[(self + 1) % MAX_THREADS], block,
						    __ATOMIC_ACQ_REL);
		free(block);
	}
	return NULL;
}

static int start(pthread_t *threads, size_t count, void *(*body)(void *))
{
	size_t i;

	for (i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, body, (void *)i))
			return -1;
	for (i = 0; i < count; i++)
		if (pthread_join(threads[i], NULL))
			return -1;
	return 0;
}

static pthread_t first;

static void *outlive(void *arg)
{
	if (!arg)
		pthread_join(first, NULL);
	return live_shortly(arg);
}

static int until_told(size_t count)
{
	pthread_t threads[MAX_THREADS];
	size_t i;
	char byte;

	loops = ~(size_t)0;
	for (i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, churn, (void *)i))
			return 1;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	__atomic_store_n(&loops, 0, __ATOMIC_RELAXED);
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static int orphan(size_t count)
{
	pthread_t thread;
	size_t i;

	first = pthread_self();
	for (i = 0; i < count; i++)
		if (pthread_create(&thread, NULL, outlive, (void *)i))
			return 1;
	pthread_exit(NULL);
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	size_t count, i;

	if (argc < 3)
		return 2;
	count = strtoul(argv[2], NULL, 10);
	if (!strcmp(argv[1], "short")) {
		for (i = 0; i < count; i += AT_ONCE)
			if (start(threads, count - i < AT_ONCE ? count - i : AT_ONCE, live_shortly))
				return 1;
		return 0;
	}
	if (!strcmp(argv[1], "until") && count <= MAX_THREADS)
		return until_told(count);
	if (!strcmp(argv[1], "orphan"))
		return orphan(count);
	if (argc < 4 || count > MAX_THREADS)
		return 2;
	loops = strtoul(argv[3], NULL, 10);
	return start(threads, count, churn) ? 1 : 0;
}
