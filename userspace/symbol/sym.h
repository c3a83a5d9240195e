/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names for locations: the front of symbol/. Once a unique location, after aggregation. Names come
 * from records baked into the recording, else from the files by elfutils, else there are none.
 *
 * Reading somebody else's ELF and DWARF happens in a child process with bounded time and memory
 * (isolate.h): a file that makes libdw crash or hang costs that module's names and one warning.
 */
#ifndef SYM_H
#define SYM_H

#include <stdbool.h>
#include <stdint.h>

#include "symbol/modmap.h"

struct sym_frame {
	const char *function; /* demangled; NULL unknown. Owned by the sym. */
	const char *file;     /* as the debug information names it; NULL unknown */
	uint32_t line;	      /* of the call; 0 unknown */
};

struct sym_options {
	const char *sysroot;   /* where the target's files are found; NULL: / */
	const char *debug_dir; /* has debug files or unstripped files; NULL: none */
	bool debuginfod;       /* ask $DEBUGINFOD_URLS for what is missing */
};

struct sym;

/* options are copied, the strings are not. */
struct sym *sym__new(const struct sym_options *options);
void sym__free(struct sym *sym);

/* A baked name: frames innermost first, nr_frames >= 1; texts are copied (NULL: unknown). Without
 * effect when all is unknown. */
void sym__bake(struct sym *sym, uint32_t module, uint64_t vaddr, const struct sym_frame *frames,
	       uint32_t nr_frames);

/*
 * Where sym__resolve finds the names of code the program generated (perfmap.h): fd stays the
 * caller's; -1, as in the beginning: nowhere. Without effect on what has a name already.
 */
void sym__use_perf_map(struct sym *sym, int fd);

/*
 * Finds the names of nr locations of map (indexes), grouped by module so each file is opened once.
 * Locations already named are skipped, and those looked for in vain, except in generated code: its
 * map grows. A missing or different file (build-ids are compared) is one
 * warning a module. progress, when not NULL, is called after each module.
 */
void sym__resolve(struct sym *sym, const struct modmap *map, const uint32_t *locations, uint32_t nr,
		  void (*progress)(uint32_t done, uint32_t modules, void *data), void *data);

/*
 * The frames at a location, innermost first: all but the last are inlined into it. Returns their
 * number; 0 when nothing is known. *frames lives as long as sym.
 */
uint32_t sym__frames(const struct sym *sym, const struct location *location,
		     const struct sym_frame **frames);

/* Were these frames baked, not found? */
bool sym__is_baked(const struct sym *sym, const struct location *location);

/* Why a location has no name. */
enum sym_trouble {
	SYM_NO_TROUBLE,
	SYM_MISSING,	/* there is no file */
	SYM_DIFFERENT,	/* there is another one */
	SYM_UNREADABLE, /* there is one, which cannot be read */
	SYM_NAMELESS,	/* there is the right one, which does not name the location */
};

/* Calls visit for each location that was looked for in a file and in vain. */
void sym__for_each_unresolved(const struct sym *sym, const struct modmap *map,
			      void (*visit)(const struct location *location,
					    enum sym_trouble trouble, void *data),
			      void *data);

#endif /* SYM_H */
