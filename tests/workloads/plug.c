/* SPDX-License-Identifier: BSD-2-Clause */
/* A library that comes late: loaded while its process is watched. */
#include <stdlib.h>

void plug_keep(void);

static void *volatile kept[3];

void plug_keep(void)
{
	int i;

	for (i = 0; i < 3; i++)
		kept[i] = malloc(4321);
}
