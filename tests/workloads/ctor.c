/* SPDX-License-Identifier: BSD-2-Clause */
/* Linked with early.c as a library: what is allocated before main counts, and after it. */
#include <stdlib.h>

#include "tally.h"

static void *volatile kept;

static void before_anything(int argc, char **argv, char **env)
{
	(void)argc, (void)argv, (void)env;
	kept = malloc(333);
}
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **, char **) =
	before_anything;

__attribute__((constructor)) static void begin(void)
{
	kept = malloc(444);
}

/* Tells what the library does too. */
static void tally_library(void)
{
	int i;

	for (i = 0; i < 5; i++)
		tally_allocated(1111);
	tally_freed(1111);
}

int main(void)
{
	tally_allocated(333);
	tally_library();
	tally_allocated(444);
	kept = malloc(555);
	tally_allocated(555);
	tally_freed(1111);
	tally_allocated(2222);
	tally_print();
	return 0;
}
