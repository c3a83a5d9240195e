/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   quit STATUS [BYTES]  says "out" and "err", keeps BYTES, exits with STATUS;
 *                        a negative STATUS is a signal that kills it
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void *volatile kept;

int main(int argc, char **argv)
{
	int status = argc > 1 ? atoi(argv[1]) : 0;

	if (write(STDOUT_FILENO, "out\n", 4) != 4 || write(STDERR_FILENO, "err\n", 4) != 4)
		return 99;
	if (argc > 2)
		kept = malloc(atoi(argv[2]));
	if (status < 0) {
		raise(-status);
		return 98;
	}
	_exit(status);
}
