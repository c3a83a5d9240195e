/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   shape        keeps blocks, by itself and by its part (shape_part.c), and prints its tally
 *   shape wait   does so after a line on stdin, and ends with stdin
 *
 * The tests build it in every shape a program can have. Linked statically it must not bring stdio's
 * buffers, so it writes by itself.
 */
#include <stdlib.h>

#include "shape.h"
#include "tally.h"

static void *volatile kept[KEPT_HERE + KEPT_BY_PART];

static __attribute__((noinline, noclone)) void *keep_here(size_t bytes)
{
	return malloc(bytes);
}

static __attribute__((noinline, noclone)) void work(void)
{
	size_t i;

	for (i = 0; i < KEPT_HERE; i++) {
		kept[i] = keep_here(HERE_BYTES);
		tally_allocated(HERE_BYTES);
	}
	for (; i < KEPT_HERE + KEPT_BY_PART; i++) {
		kept[i] = keep_by_part(PART_BYTES);
		tally_allocated(PART_BYTES);
	}
	for (i = 0; i < CHURNED; i++) {
		void *volatile block = calloc(2, 50);

		tally_allocated(100);
		block = realloc(block, 5000);
		tally_resized(100, 5000);
		free(block);
		tally_freed(5000);
	}
}

int main(int argc, char **argv)
{
	char byte = 0;

	(void)argv;
	while (argc > 1 && byte != '\n')
		MUST(read(STDIN_FILENO, &byte, 1) == 1);
	work();
	tally_print();
	while (argc > 1 && read(STDIN_FILENO, &byte, 1) == 1)
		;
	return 0;
}
