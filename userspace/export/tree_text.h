/* SPDX-License-Identifier: BSD-2-Clause */
/* A call tree for people: a line a call, the paths as lines in front of it. */
#ifndef TREE_TEXT_H
#define TREE_TEXT_H

#include <stdio.h>

#include "report/tree.h"

struct tree_limits {
	uint64_t depth;	    /* calls away from the root at most; 0: any */
	uint64_t min_bytes; /* what is smaller is added up */
};

/* Of a tree that is not empty. A call whose only way on is one other call shares its figures with
 * that, which stands below it. */
void tree_text__write(const struct tree *tree, const struct tree_limits *limits, FILE *out);
/* min as bytes of a tree. */
uint64_t tree_text__min_bytes(const struct tree *tree, const struct share *min);

#endif /* TREE_TEXT_H */
