// SPDX-License-Identifier: BSD-2-Clause
/*
 * churn THREADS CALLS: each thread replaces blocks of its own and now and then one of all threads',
 * CALLS times: blocks that live for a while, of many sizes and from several places, some freed by
 * another thread than the one that got them.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#define NR_OWN	   1024u
#define NR_SHARED  256u
#define MAX_DEPTH  16u
#define NR_THREADS 64

static void *shared[NR_SHARED];
static unsigned long nr_calls;

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33);
}

static void *allocate(unsigned depth, size_t bytes);
static void *(*volatile again)(unsigned depth, size_t bytes) = allocate;

/* What comes after the call keeps it from being a jump. */
__attribute__((noinline)) static void *allocate(unsigned depth, size_t bytes)
{
	void *block = depth ? again(depth - 1, bytes) : malloc(bytes);

	__asm__ volatile("" : "+r"(block));
	return block;
}

static void *churn(void *seed)
{
	void **own = calloc(NR_OWN, sizeof(*own));
	uint64_t state = (uintptr_t)seed;

	for (unsigned long i = 0; own && i < nr_calls; i++) {
		uint32_t number = next_random(&state);
		void *block = allocate(number % MAX_DEPTH, 16 + number % 500);
		void **slot = &own[next_random(&state) % NR_OWN];

		if (number % 64 == 0) {
			slot = &shared[next_random(&state) % NR_SHARED];
			block = __atomic_exchange_n(slot, block, __ATOMIC_ACQ_REL);
		} else {
			void *old = *slot;

			*slot = block;
			block = old;
		}
		free(block);
	}
	for (unsigned i = 0; own && i < NR_OWN; i++)
		free(own[i]);
	free(own);
	return NULL;
}

int main(int argc, char **argv)
{
	int nr_threads = argc > 1 ? atoi(argv[1]) : 1;
	pthread_t threads[NR_THREADS];

	nr_calls = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
	if (nr_threads < 1 || nr_threads > NR_THREADS)
		return 2;
	for (int i = 0; i < nr_threads; i++)
		if (pthread_create(&threads[i], NULL, churn, (void *)(uintptr_t)(i + 1)))
			return 1;
	for (int i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < NR_SHARED; i++)
		free(shared[i]);
	return 0;
}
