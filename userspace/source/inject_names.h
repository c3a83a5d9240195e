/* SPDX-License-Identifier: BSD-2-Clause */
/* Which code of a file is meant by names of functions and of files. */
#ifndef INJECT_NAMES_H
#define INJECT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "source/inject_ranges.h"

struct elf_file;

/* Names somebody gave: of functions, or of files. */
struct inject_names {
	const char *const *all; /* the caller's */
	size_t nr;
	bool *found; /* each: has anything had that name? The caller's; NULL: nobody asks */
	uint32_t mark;
};

/*
 * Is that the symbol of the function somebody calls `wanted`? Symbols of its parts (.cold, .part.0)
 * are, too. A C++ or Rust function goes by its whole name with or without parameters, or by the end
 * of that: Shelf::stock or stock of shop::Shelf::stock(int).
 */
bool inject_name__is_function(const char *wanted, const char *symbol);
/* Is that the file somebody calls `wanted`: by its name, the end of its path, or libx.so of
 * libx.so.1.2? */
bool inject_name__is_file(const char *wanted, const char *path);

/* Adds the functions of elf that go by a name, at their link-time addresses. */
void inject_names__find_functions(const struct inject_names *names, struct elf_file *elf,
				  struct inject_pieces *pieces);
/* Does the whole file go by one of the names? */
bool inject_names__have_file(const struct inject_names *names, const char *path);

/*
 * Adds functions by which no call may ever fail: those of the dynamic loader that are in the C
 * library or the program, and those of probe/untouchable.h. And, of a static program of musl, those
 * where stacks end (INJECT_ENDS).
 */
void inject_names__find_untouchable(struct elf_file *elf, struct inject_pieces *pieces);
/*
 * Is it musl's C library? It has no unwind tables, and of the functions below main none has a name:
 * any of its code may be what starts programs and threads. What is the loader's in it, those of
 * probe/untouchable.h tell.
 */
bool inject_names__is_musl(struct elf_file *elf);
/* Is it the dynamic loader, and that only? musl's is the C library, too. */
bool inject_names__is_loader(struct elf_file *elf);

#endif /* INJECT_NAMES_H */
