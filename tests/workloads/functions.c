/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All ten allocator functions: succeeding, failing, nesting inside libc, resizing in place. Ends
 * with a tally of what must have been seen. With an argument all of it happens again in a thread
 * and after it, since glibc takes other paths then; the tally lacks what libc allocates for it.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "tally.h"

/* Sizes no address space has, hidden from the compiler. */
static volatile size_t huge = SIZE_MAX / 2 - (SIZE_MAX >> 8);
static volatile size_t zero;
static void *volatile kept;

static void *took(void *addr, size_t bytes)
{
	MUST(addr);
	tally_allocated(bytes);
	return addr;
}

static void give(void *addr, size_t bytes)
{
	free(addr);
	tally_freed(bytes);
}

/* One block of each function is kept, one is given back. */
static void every_function(void)
{
	void *out;
	int round;

	for (round = 0; round < 2; round++) {
		void *blocks[] = {
			took(malloc(1001), 1001),
			took(calloc(3, 1002), 3006),
			took(realloc(NULL, 1003), 1003),
			took(reallocarray(NULL, 2, 1004), 2008),
			took(aligned_alloc(64, 1024), 1024),
			took(memalign(128, 1006), 1006),
			took(valloc(1007), 1007),
			took(pvalloc(1008), 1008),
		};
		static const size_t sizes[] = {1001, 3006, 1003, 2008, 1024, 1006, 1007, 1008};
		size_t i;

		MUST(!posix_memalign(&out, 256, 1009));
		took(out, 1009);
		if (round == 0) {
			kept = out;
			continue;
		}
		give(out, 1009);
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			give(blocks[i], sizes[i]);
	}
}

static void failing(void)
{
	void *old = took(malloc(500), 500), *out = old;

	MUST(!malloc(huge));
	tally_failed();
	MUST(!calloc(huge, 16)); /* overflows: the product is 0 */
	tally_failed();
	MUST(!calloc(2, huge));
	tally_failed();
	MUST(!realloc(NULL, huge));
	tally_failed();
	MUST(!realloc(old, huge)); /* keeps old */
	tally_failed();
	MUST(!reallocarray(old, huge, 16)); /* keeps old, overflow: the product is 0 */
	tally_failed();
	MUST(!reallocarray(NULL, huge, 8));
	tally_failed();
	MUST(posix_memalign(&out, 3, 100) == EINVAL && out == old);
	tally_failed();
	MUST(posix_memalign(&out, 64, huge) == ENOMEM && out == old);
	tally_failed();
	MUST(!memalign(64, huge));
	tally_failed();
	MUST(!aligned_alloc(64, huge));
	tally_failed();
	MUST(!valloc(huge));
	tally_failed();
	MUST(!pvalloc(huge));
	tally_failed();
	give(old, 500);
}

static void resizing(void)
{
	char *block = took(realloc(NULL, 100), 100), *same;

	same = realloc(block, 90); /* in place: it shrinks inside its chunk */
	MUST(same == block);
	tally_resized(100, 90);
	block = realloc(block, 100000);
	MUST(block);
	tally_resized(90, 100000);
	block = reallocarray(block, 1000, 300); /* libc's own mapping */
	MUST(block);
	tally_resized(100000, 300000);
	block = realloc(block, 600000); /* mremap */
	MUST(block);
	tally_resized(300000, 600000);
	MUST(!realloc(block, zero));
	tally_freed(600000);

	block = took(calloc(1, 77), 77);
	MUST(!reallocarray(block, zero, 8));
	tally_freed(77);

	block = took(realloc(NULL, zero), 0); /* a block of no bytes */
	block = realloc(block, 33);
	MUST(block);
	tally_resized(0, 33);
	kept = block;
}

static void nothing_to_see(void)
{
	int i;

	for (i = 0; i < 100; i++)
		free((void *)zero);
	took(malloc(zero), 0);
	give(took(malloc(zero), 0), 0);
}

static void everything(void)
{
	every_function();
	failing();
	resizing();
	nothing_to_see();
}

static void *in_thread(void *arg)
{
	everything();
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	(void)argv;
	everything();
	if (argc > 1) {
		MUST(!pthread_create(&thread, NULL, in_thread, NULL));
		MUST(!pthread_join(thread, NULL));
		everything();
	}
	tally_print();
	return 0;
}
