// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads a plugin, and has it work.
 *   loads PLUGIN [nothing]
 */
#include <dlfcn.h>

#include "tally.h"

int main(int argc, char **argv)
{
	void *plugin = dlopen(argv[1], RTLD_NOW);
	void (*work)(void) = plugin ? (void (*)(void))dlsym(plugin, "work") : NULL;

	MUST(work);
	/* Whoever watches sees new files by their mappings, a moment later. */
	usleep(500000);
	if (argc == 2) {
		work();
		for (int i = 0; i < 100; i++)
			tally_allocated(24);
		for (int i = 0; i < 40; i++)
			tally_freed(24);
		tally_allocated(70);
	}
	tally_print();
	return 0;
}
