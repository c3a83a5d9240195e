/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of unusual size: of a size known only at run time (alloca), of 40 KiB, aligned to more
 * than the stack is, with arguments on the stack; 200 calls of one function; and between them the C
 * library.
 */
#include <alloca.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "tally.h"

#define NOINLINE __attribute__((noinline, noclone))

static void *volatile kept;
static volatile int after;

static NOINLINE void keep(size_t bytes)
{
	kept = malloc(bytes);
	after++;
}

static NOINLINE void with_alloca(size_t bytes)
{
	char *space = alloca(bytes);

	memset(space, 0xcc, bytes);
	keep(bytes);
	__asm__ volatile("" ::"r"(space) : "memory");
}

static NOINLINE void with_much(size_t bytes)
{
	char space[40 << 10];

	memset(space, 0xcc, sizeof(space));
	with_alloca(bytes);
	__asm__ volatile("" ::"r"(space) : "memory");
}

static NOINLINE void with_alignment(size_t bytes)
{
	char space[256] __attribute__((aligned(256)));

	memset(space, 0xcc, sizeof(space));
	MUST(!((uintptr_t)space % 256));
	with_much(bytes);
	__asm__ volatile("" ::"r"(space) : "memory");
}

static NOINLINE long with_arguments(long a, long b, long c, long d, long e, long f, long g, long h)
{
	keep(a + h);
	after++;
	return a + b + c + d + e + f + g + h;
}

static NOINLINE void recurse(int levels)
{
	if (levels > 1)
		recurse(levels - 1);
	else
		keep(500);
	after++;
}

static int compare(const void *a, const void *b)
{
	keep(600);
	return *(const int *)a - *(const int *)b;
}

static NOINLINE void everything(void)
{
	int numbers[] = { 3, 1, 2 };
	size_t i;

	for (i = 0; i < 3; i++) {
		with_alloca(100 + 16 * i);
		with_much(200 + 16 * i);
		with_alignment(300 + 16 * i);
	}
	after += with_arguments(400, 2, 3, 4, 5, 6, 7, 8) != 435;
	recurse(200);
	qsort(numbers, 3, sizeof(*numbers), compare);
	after++;
}

static void *in_thread(void *data)
{
	everything();
	return data;
}

int main(void)
{
	pthread_t thread;

	everything();
	MUST(!pthread_create(&thread, NULL, in_thread, NULL));
	MUST(!pthread_join(thread, NULL));
	return 0;
}
