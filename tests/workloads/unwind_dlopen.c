/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   unwind_dlopen PLUGIN [N]  loads unwind_plugin.so, N times (once) anew; blocks come from it at
 * once, and from here when called by it
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "tally.h"

static void *volatile kept;
static volatile int after;

static __attribute__((noinline, noclone)) int callback(int bytes)
{
	kept = malloc(2000 + bytes);
	return ++after;
}

static __attribute__((noinline, noclone)) void use(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	int (*plugin)(int (*)(int), int);

	MUST(library);
	*(void **)&plugin = dlsym(library, "unwind_plugin");
	MUST(plugin);
	after += plugin(callback, 5);
	MUST(!dlclose(library));
}

int main(int argc, char **argv)
{
	int i, times = argc > 2 ? atoi(argv[2]) : 1;

	MUST(argc > 1);
	for (i = 0; i < times; i++)
		use(argv[1]);
	return 0;
}
