/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which entries of a report are wanted, by the frames of their stacks: regular expressions that
 * some frame must match, and suppressions that leave entries out.
 */
#ifndef SELECTION_H
#define SELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/frames.h"

struct selection;

/* What of a frame an expression is about. A module and a file match by path or by base name. */
enum selection_kind { SELECT_FUNCTION, SELECT_FILE, SELECT_MODULE, NR_SELECTION_KINDS };

enum verdict { WANTED, NOT_WANTED, SUPPRESSED };

struct judgement {
	enum verdict verdict;
	size_t rule; /* SUPPRESSED: by which, below selection__nr_rules */
};

struct selection *selection__new(void);
void selection__free(struct selection *selection);

/*
 * Adds a POSIX extended regular expression. Of each kind that has any, some frame must match one of
 * them; a stack that has a frame matching one with a ! in front is not wanted. 0, or -EINVAL with
 * *reason, a clause of the caller's ("is longer than 1000 characters"); it lives until the next
 * call.
 */
int selection__add(struct selection *selection, enum selection_kind kind, const char *expression,
		   const char **reason);
/* Adds the rules of a file (suppressions.h). 0, or -EINVAL after saying why not. */
int selection__add_suppressions(struct selection *selection, const char *path);

size_t selection__nr_rules(const struct selection *selection);
const char *selection__rule_name(const struct selection *selection, size_t rule);

/* Of a whole stack. allocator: the symbol of the function that was called, NULL: unknown. selection
 * NULL wants all. */
struct judgement selection__judge(struct selection *selection, const struct frame *frames,
				  uint32_t nr_frames, const char *allocator);

#endif /* SELECTION_H */
