/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules that leave stacks out of a report, of one file: in the syntax of LeakSanitizer
 * ("leak:pattern" a line) or in that of valgrind ("{ name Memcheck:Leak fun:... }"), told apart by
 * the first character that counts. Of valgrind's rules those that begin with Memcheck:Leak are
 * taken, of LeakSanitizer's leak:. heaptap does not search memory for pointers, so
 * match-leak-kinds: makes no difference.
 */
#ifndef SUPPRESSIONS_H
#define SUPPRESSIONS_H

#include <stddef.h>
#include <stdint.h>

#include "report/frames.h"

#define SUPPRESSIONS_MAX_BYTES	  (4u << 20)
#define SUPPRESSIONS_MAX_LINE	  4096
#define SUPPRESSIONS_MAX_RULES	  8192
#define SUPPRESSIONS_MAX_PATTERNS 8192 /* different ones */
#define SUPPRESSIONS_NONE	  SIZE_MAX

struct suppressions;

struct suppressions_error {
	unsigned line;
	const char *what; /* a clause: "names no pattern behind leak:" */
};

/* Of a text, which may hold anything. NULL, with *error, where it makes no sense. */
struct suppressions *suppressions__parse(const char *text, size_t len,
					 struct suppressions_error *error);
/* Of a file; NULL after saying why not. */
struct suppressions *suppressions__read(const char *path);
void suppressions__free(struct suppressions *suppressions);

size_t suppressions__count(const struct suppressions *suppressions);
/* What a rule is called: valgrind's name, LeakSanitizer's pattern. */
const char *suppressions__name(const struct suppressions *suppressions, size_t rule);

/*
 * The rule that leaves out a stack, or SUPPRESSIONS_NONE. allocator: the symbol of the function
 * that was called for the memory, which both syntaxes count as the innermost frame; NULL: unknown.
 */
size_t suppressions__match(struct suppressions *suppressions, const struct frame *frames,
			   uint32_t nr_frames, const char *allocator);

#endif /* SUPPRESSIONS_H */
