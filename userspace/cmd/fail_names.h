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

/* The frames of a path's stack, or of its crash; by its number among them. To be cleared. */
struct frames fail_names__stack(const struct fail_names *names, size_t number);
struct frames fail_names__crash_stack(const struct fail_names *names, size_t number);
/* Of one of the worst leaks after it. */
struct frames fail_names__leak(const struct fail_names *names, size_t number, size_t leak);

#endif /* FAIL_NAMES_H */
