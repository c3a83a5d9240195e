/* SPDX-License-Identifier: BSD-2-Clause */
/* The library unwind_dlopen.c loads. */
#include <stdlib.h>

int unwind_plugin(int (*callback)(int), int levels);

static void *volatile kept;
static volatile int after;

int unwind_plugin(int (*callback)(int), int levels)
{
	if (levels > 1)
		unwind_plugin(callback, levels - 1);
	else
		after += callback(levels);
	kept = malloc(1000 + levels);
	return ++after;
}
