/* SPDX-License-Identifier: BSD-2-Clause */
/* A child has a copy of the heap and does as it likes with it: none of that is the parent's. */
#include <stdlib.h>
#include <sys/wait.h>

#include "tally.h"

static void *volatile sink;

static void child(void *inherited)
{
	int i;

	free(inherited);
	for (i = 0; i < 1000; i++)
		sink = malloc(77);
	_exit(0);
}

int main(void)
{
	void *block;
	int i, status;

	block = malloc(5000);
	tally_allocated(5000);
	for (i = 0; i < 3; i++) {
		pid_t pid = fork();

		MUST(pid >= 0);
		if (!pid)
			child(block);
		sink = malloc(60);
		tally_allocated(60);
		MUST(waitpid(pid, &status, 0) == pid && status == 0);
	}
	MUST(system("true") == 0); /* a child that shares memory until it becomes sh */
	free(block);
	tally_freed(5000);
	tally_print();
	return 0;
}
