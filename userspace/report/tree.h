/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stacks of one process as a tree: a node is a call site reached by one path, its total what
 * was allocated below it. From the outermost frame inwards, or inverted: from the allocating call
 * outwards.
 */
#ifndef TREE_H
#define TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/report.h"

#define TREE_NONE UINT32_MAX

struct tree_node {
	const struct frame *frame; /* the report's; NULL: the root, or what is behind a cut */
	bool cut;		   /* in place of the frames that are missing at the outer end */
	struct amount own;	   /* of stacks that end here */
	struct amount total;	   /* and of all nodes below */
	uint32_t parent;	   /* TREE_NONE: the root */
	uint32_t depth;		   /* of the root: 0 */
	uint32_t first_child;	   /* the children are nodes that follow each other ... */
	uint32_t nr_children;	   /* ... in the order of their size, largest first */
};

struct tree {
	struct tree_node *nodes; /* the first is the root, which has no frame */
	uint32_t nr;
	uint32_t *of_entry; /* the node at which the stack of each entry of the process ends */
};

/* Of one cost of the entries of a process, which must outlive the tree. There is never more than a
 * node a frame of the entries. */
struct tree tree__build(const struct process_report *process, enum cost cost, bool inverted);
void tree__clear(struct tree *tree);

/* Are two frames one call site to who reads their names? */
bool tree__same_site(const struct frame *a, const struct frame *b);
/* Equal sites, equal numbers. */
uint64_t tree__hash_site(const struct frame *frame);

#endif /* TREE_H */
