/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the file of a module, or its debug information, may be. */
#ifndef PLACES_H
#define PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "symbol/sym.h"

/* A path below root (rootfs.h; NULL: this machine's). */
struct place {
	const char *root;
	const char *path;
};

/* True: found, look no further. */
typedef bool (*place_fn)(const struct place *place, void *data);

/*
 * Calls look for each place, the most likely first: where build-ids lead, then what is named like
 * the module below the debug folder and, in folders .debug, below the sysroot. Nobody has looked
 * whether there is anything. Returns whether look did say found.
 */
bool places__visit(const struct module *module, const struct sym_options *options, place_fn look,
		   void *data);

/* The same for what a debug link names: beside the module's file and in the places for that. */
bool places__visit_link(const struct module *module, const struct sym_options *options,
			const char *name, place_fn look, void *data);

/* Where that is on this machine; the caller frees it. */
char *place__on_this_machine(const struct place *place);

#endif /* PLACES_H */
