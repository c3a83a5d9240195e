/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * To be built without unwind tables: -O2 -fomit-frame-pointer -fno-asynchronous-unwind-tables
 * -fno-unwind-tables. With -g there is a .debug_frame instead, and stacks are whole; with -g0
 * nobody can know, and stacks end in this program's innermost frame. The C library calls back from
 * the middle of it.
 */
#include <stdlib.h>

#define NOINLINE __attribute__((noinline, noclone))

static void *volatile kept;
static volatile int after;

static NOINLINE void keep(size_t bytes)
{
	kept = malloc(bytes);
	after++;
}

static NOINLINE void descend(int levels, size_t bytes)
{
	volatile char space[100];

	space[levels] = 1;
	if (levels > 1)
		descend(levels - 1, bytes);
	else
		keep(bytes + space[levels] - 1);
	after++;
}

static int compare(const void *a, const void *b)
{
	descend(2, 1000);
	return *(const int *)a - *(const int *)b;
}

int main(void)
{
	int numbers[] = { 3, 1, 2 };

	descend(10, 2000);
	qsort(numbers, 3, sizeof(*numbers), compare);
	return 0;
}
