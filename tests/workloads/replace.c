/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaks in a way of its own, then becomes the program its arguments name. */
#include <stdlib.h>
#include <unistd.h>

static void *volatile sink;

int main(int argc, char **argv)
{
	int i;

	for (i = 0; i < 100; i++)
		sink = malloc(1234);
	if (argc > 1)
		execv(argv[1], argv + 1);
	return 99;
}
