/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   stacks many BITS  keeps 2 blocks of 16 bytes from each of 2^BITS stacks
 *   stacks deep N...  keeps a block of 1000 + N bytes below N calls of descend()
 */
#include <stdlib.h>
#include <string.h>

static void *volatile kept;
static volatile int after;

static void even(unsigned path, unsigned bits);
static void odd(unsigned path, unsigned bits);

static void turn(unsigned path, unsigned bits)
{
	if (!bits)
		kept = malloc(16);
	else if (path & 1)
		odd(path >> 1, bits - 1);
	else
		even(path >> 1, bits - 1);
	after++;
}

static __attribute__((noinline)) void even(unsigned path, unsigned bits)
{
	turn(path, bits);
	after++;
}

static __attribute__((noinline)) void odd(unsigned path, unsigned bits)
{
	turn(path, bits);
	after++;
}

static __attribute__((noinline)) void descend(unsigned levels, size_t bytes)
{
	if (levels > 1)
		descend(levels - 1, bytes);
	else
		kept = malloc(bytes);
	after++;
}

int main(int argc, char **argv)
{
	int i;

	if (argc > 2 && !strcmp(argv[1], "many")) {
		for (i = 0; i < 2 << atoi(argv[2]); i++)
			turn(i, atoi(argv[2]));
		return 0;
	}
	for (i = 2; i < argc; i++)
		descend(atoi(argv[i]), 1000 + atoi(argv[i]));
	return 0;
}
