/* SPDX-License-Identifier: BSD-2-Clause */
/* Names for the stacks of call paths. */
#ifndef FAIL_NAMES_H
#define FAIL_NAMES_H

#include "fail/database.h"
#include "report/frames.h"

struct options;
struct fail_names;

/* Looks up the names of all stacks of nr paths, once. */
struct fail_names *fail_names__new(const struct options *options, struct fail_path *const *paths,
				   size_t nr);
void fail_names__free(struct fail_names *names);

/* What a person calls the function that failed, operator new(unsigned long); the caller frees it.
 * NULL: it is not known. */
char *fail_names__function(const struct fail_path *path);

/* The frames of a path's stack, or of its crash; by its number among them. To be cleared.
 * That of a crash is without what the library has put between the program and its allocator. */
struct frames fail_names__stack(const struct fail_names *names, size_t number);
struct frames fail_names__crash_stack(const struct fail_names *names, size_t number);
/* Of one of the worst leaks after it. */
struct frames fail_names__leak(const struct fail_names *names, size_t number, size_t leak);

#endif /* FAIL_NAMES_H */
