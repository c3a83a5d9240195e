/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In uninterruptible sleep (state D) until stdin ends: the parent of a vfork waits so for its
 * child. Then keeps 7 blocks, says so, and ends.
 */
#include <stdlib.h>
#include <unistd.h>

#include "tally.h"

static void *volatile kept[7];

int main(void)
{
	char byte;
	int i;

	if (vfork() == 0) {
		while (read(STDIN_FILENO, &byte, 1) == 1)
			;
		_exit(0);
	}
	for (i = 0; i < 7; i++) {
		kept[i] = malloc(77);
		tally_allocated(77);
	}
	tally_print();
	return 0;
}
