/* SPDX-License-Identifier: BSD-2-Clause */
/* A library whose constructor allocates before main, and whose destructor does after it. */
#include <stdlib.h>

static void *volatile kept[8];

__attribute__((constructor)) static void early_begin(void)
{
	int i;

	for (i = 0; i < 5; i++)
		kept[i] = malloc(1111);
	free(kept[0]);
}

__attribute__((destructor)) static void early_end(void)
{
	free(kept[1]);
	kept[7] = calloc(1, 2222);
}
