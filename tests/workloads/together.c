// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a failure in one process makes another do: its child allocates some blocks only then, so
 * that in one run both fail. Which of them the run ends by is not the last to have failed.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each call of it is a path. */
__attribute__((noinline)) static bool lacks(size_t bytes)
{
	void *block = malloc(bytes);
	bool lacks = !block;

	free(block);
	return lacks;
}

/* The child hears, and is done before the parent goes on. */
static bool fails_before(size_t bytes, void (*child)(void))
{
	int ends[2], status;
	bool failed;
	pid_t pid;
	char c;

	if (pipe(ends))
		_exit(9);
	pid = fork();
	if (!pid) {
		close(ends[1]);
		if (read(ends[0], &c, 1) == 1)
			child();
		_exit(0);
	}
	close(ends[0]);
	failed = lacks(bytes);
	if (failed && write(ends[1], "x", 1) != 1)
		_exit(9);
	close(ends[1]);
	waitpid(pid, &status, 0);
	return failed;
}

static void shrugs(void)
{
	lacks(501);
}

static void crashes(void)
{
	if (lacks(511))
		*(volatile char *)NULL = 1;
}

int main(void)
{
	if (fails_before(500, shrugs))
		*(volatile char *)NULL = 1;
	if (fails_before(510, crashes))
		return 4;
	return 0;
}
