/* SPDX-License-Identifier: BSD-2-Clause */
/* A program and its library (ported_part.c), whose names are looked for on another machine. */
#include <stdlib.h>

void *ported_part_keep(size_t bytes);

static void *volatile kept[2];

__attribute__((noinline)) static void ported_main_keep(void)
{
	kept[0] = malloc(1000);
	kept[1] = ported_part_keep(2000);
}

int main(void)
{
	ported_main_keep();
	return 0;
}
