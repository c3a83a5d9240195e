/* SPDX-License-Identifier: BSD-2-Clause */
/* The library of ported.c. */
#include <stdlib.h>

void *ported_part_keep(size_t bytes);

static int nr_kept;

__attribute__((noinline)) static void *ported_part_inner(size_t bytes)
{
	void *block = malloc(bytes);

	nr_kept++;
	return block;
}

void *ported_part_keep(size_t bytes)
{
	void *block = ported_part_inner(bytes);

	nr_kept++;
	return block;
}
