// SPDX-License-Identifier: BSD-2-Clause
/*
 * Leaves a block behind in each run, each time by another of three calls, as if by chance. The file
 * that is named counts the runs. What it allocates besides does nothing when it fails.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void *volatile kept;

__attribute__((noinline)) static void first(void)
{
	kept = malloc(31);
}

__attribute__((noinline)) static void second(void)
{
	kept = malloc(32);
}

__attribute__((noinline)) static void third(void)
{
	kept = malloc(33);
}

int main(int argc, char **argv)
{
	static void (*const moods[])(void) = { first, second, third };
	int fd = open(argc > 1 ? argv[1] : "/nonexistent", O_RDWR | O_CREAT | O_APPEND, 0600);
	off_t nr_runs = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (nr_runs < 0 || write(fd, "x", 1) != 1)
		return 2;
	for (size_t bytes = 501; bytes <= 505; bytes++)
		free(malloc(bytes));
	moods[nr_runs % 3]();
	return 0;
}
