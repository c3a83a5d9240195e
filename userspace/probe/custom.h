/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocator functions that the user describes (--allocator): a program's own slabs and arenas, a
 * language's run-time, or the functions of a program without symbols. A descriptor is
 *
 *   ROLE=WHERE[@MODULE][(ARG=POSITION,...[,family=NAME])]
 *
 * ROLE is malloc, calloc, realloc, reallocarray, memalign, aligned, posix_memalign or free; WHERE a
 * symbol, or 0xADDRESS, the link-time address that nm and objdump -d show; MODULE the name of the
 * file it is in (default: any file for a symbol, the program itself for an address). Without
 * arguments they are as those of the standard function of that role; with any, all must be given
 * that the role needs.
 */
#ifndef CUSTOM_H
#define CUSTOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/allocators.h"

struct custom_fn {
	struct alloc_fn fn; /* its strings are the list's; symbol of an address: "0x..." */
	bool by_address;
	uint64_t vaddr;
	char *module;	   /* NULL: see above */
	unsigned nr_found; /* how often allocators__find has found it */
};

struct custom_list {
	struct custom_fn *items; /* numbered from WIRE_FUNCTION_USER */
	size_t nr, capacity;
};

/* Which functions are allocators beyond those of every program. All zero: none. */
struct allocator_config {
	bool mmap; /* the functions of family MMAP, too */
	/* Those that can be made to fail, each on its first instruction; others are left alone. */
	bool failing;
	struct custom_list custom;
};

/*
 * Appends the descriptors of text, separated by white space. 0, or -EINVAL after a sentence that
 * begins with source (an option or a file and line) and tells what is wrong and what is taken.
 */
int custom__parse(struct custom_list *list, const char *text, const char *source);
/* Likewise those of a file, where # begins a comment; -errno when it cannot be read. */
int custom__parse_file(struct custom_list *list, const char *path);
void custom__clear(struct custom_list *list);

/* The function of a number, NULL: not one of these. */
const struct alloc_fn *custom__by_number(const struct custom_list *list, uint16_t number);

/* Warns of the functions that no file had, once the files of a process have been looked at. */
void custom__warn_of_missing(const struct custom_list *list);

#endif /* CUSTOM_H */
