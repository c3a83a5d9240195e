/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that are made to fail from outside (bpf/inject.h): which code, at which addresses of the
 * process, decides about them. Made anew whenever the process has mapped something.
 */
#ifndef INJECT_H_HEAPTAP
#define INJECT_H_HEAPTAP

#include <stddef.h>
#include <stdint.h>

#include "inject_abi.h"

struct files;
struct inject;

/* What is to fail. Strings and arrays are the caller's. */
struct inject_config {
	struct inject_rules rules; /* but `only`, which follows from the names */
	/* Of functions or files: a call fails only with one of these on the stack (none: always),
	 * and never with one of those. */
	const char *const *only, *const *ignore;
	size_t nr_only, nr_ignore;
};

/* What came of it, so far. */
struct inject_counts {
	uint64_t failed;   /* calls that were made to */
	uint64_t survived; /* of these: succeeded all the same */
	uint64_t unknown;  /* left alone, for their stack could not be walked to its end */
	uint64_t no_room;  /* left alone, for the table of call paths was full */
};

/* Call paths remembered for rules.paths. */
#define INJECT_MAX_PATHS 65536

/* ranges_fd: the map inject_ranges; view: the programs' inject_view. Both are the caller's, and so
 * is config. */
struct inject *inject__new(const struct inject_config *config, int ranges_fd,
			   volatile uint32_t *view);
void inject__free(struct inject *inject);

/* An executable mapping of a module (files.h); start is its link-time address vaddr. */
struct inject_mapping {
	uint64_t start, end, vaddr;
	uint32_t module;
};

/* The process has these now, the newest last: where two overlap, it counts. Nothing fails before
 * the first call, nor after one that did not work, which is said. */
void inject__publish(struct inject *inject, const struct files *files,
		     const struct inject_mapping *mappings, size_t nr);

/* Warns of names that nothing had yet. */
void inject__warn_of_missing(const struct inject *inject);

#endif /* INJECT_H_HEAPTAP */
