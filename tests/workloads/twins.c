/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   twins FIRST SECOND ROUNDS PAUSE  loads the libraries in turns, each in the place the other has
 *                                    left, and calls them PAUSE microseconds later
 *
 * Before the first round it waits for the end of a line on stdin. Each library keeps one block a
 * round, called from the same place. The last line says how many different addresses they had:
 * more than one and this machine has not done what the test is about.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "tally.h"
#include "twins.h"

static void *volatile kept;
static unsigned pause_us;

static __attribute__((noinline, noclone)) void *use(const char *path)
{
	void *library = dlopen(path, RTLD_NOW), *address;
	void *(**twin)(void);

	MUST(library);
	usleep(pause_us);
	twin = (void *(**)(void))dlsym(library, "twin");
	MUST(twin);
	address = (void *)*twin;
	kept = (*twin)();
	MUST(!dlclose(library));
	return address;
}

int main(int argc, char **argv)
{
	void *address = NULL, *other;
	int rounds, i, moves = 0;
	char byte = 0;

	MUST(argc == 5);
	pause_us = strtoul(argv[4], NULL, 10);
	rounds = atoi(argv[3]);
	while (byte != '\n')
		MUST(read(STDIN_FILENO, &byte, 1) == 1);
	for (i = 0; i < 2 * rounds; i++) {
		other = use(argv[1 + i % 2]);
		moves += address != other;
		address = other;
	}
	MUST(write(STDOUT_FILENO, moves == 1 ? "same\n" : "diff\n", 5) == 5);
	return 0;
}
