// SPDX-License-Identifier: BSD-2-Clause
#include "report/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"

struct grower {
	struct tree_node *nodes;
	size_t nr, capacity;
	uint32_t *of_entry;
	struct hmap by_site; /* hash of parent and site, or the next free number -> index */
};

/* What is shown of a frame, and nothing else, makes it what it is. Names are interned: equal names,
 * equal pointers. */
struct site_key {
	const char *function, *file;
	const struct module *module;
	uint64_t place; /* the line, an offset or an address */
};

static struct site_key key_of(const struct frame *frame)
{
	struct site_key key = { .function = frame->function };

	if (frame->file && frame->line) {
		key.file = frame->file;
		key.place = frame->line;
	} else {
		key.module = frame->module;
		key.place = frame->module ? frame->offset : frame->address;
	}
	return key;
}

bool tree__same_site(const struct frame *a, const struct frame *b)
{
	struct site_key left = key_of(a), right = key_of(b);

	return left.function == right.function && left.file == right.file &&
	       left.module == right.module && left.place == right.place;
}

uint64_t tree__hash_site(const struct frame *frame)
{
	struct site_key key = key_of(frame);

	return hash__bytes(&key, sizeof(key));
}

static bool is_node(const struct tree_node *node, uint32_t parent, const struct frame *frame)
{
	if (node->parent != parent)
		return false;
	if (!frame || !node->frame)
		return frame == node->frame;
	return tree__same_site(node->frame, frame);
}

/* The child of a node; frame NULL: the one for missing frames. */
static uint32_t child_of(struct grower *grower, uint32_t parent, const struct frame *frame)
{
	uint64_t words[2] = { frame ? tree__hash_site(frame) : 0, parent };
	uint64_t hash = hash__bytes(words, sizeof(words)), *index;
	struct tree_node *node;

	for (; (index = hmap__find(&grower->by_site, hash)); hash++)
		if (is_node(&grower->nodes[*index], parent, frame))
			return (uint32_t)*index;
	grower->nodes =
		array__grow(grower->nodes, grower->nr, &grower->capacity, sizeof(*grower->nodes));
	node = &grower->nodes[grower->nr];
	*node = (struct tree_node){ .frame = frame,
				    .cut = !frame,
				    .parent = parent,
				    .depth = grower->nodes[parent].depth + 1 };
	hmap__set(&grower->by_site, hash, grower->nr);
	return (uint32_t)grower->nr++;
}

/* Returns where it ends. */
static uint32_t add_entry(struct grower *grower, const struct report_entry *entry, enum cost cost,
			  bool inverted)
{
	struct amount amount = entry->costs.of[cost];
	uint32_t nr = entry->nr_frames, at = 0;

	amount__add(&grower->nodes[0].total, amount);
	for (uint32_t i = 0; i < nr + entry->cut; i++) {
		/* The missing frames are behind the outermost that is known. */
		uint32_t from_inside = inverted ? i : nr + entry->cut - 1 - i;
		bool missing = from_inside == nr;

		at = child_of(grower, at, missing ? NULL : &entry->frames[from_inside]);
		amount__add(&grower->nodes[at].total, amount);
	}
	amount__add(&grower->nodes[at].own, amount);
	return at;
}

/* Siblings together, in the order of their parents; the largest first, else as they came. */
static int compare_nodes(const void *left, const void *right, void *data)
{
	const struct tree_node *nodes = data;
	uint32_t l = *(const uint32_t *)left, r = *(const uint32_t *)right;
	const struct tree_node *a = &nodes[l], *b = &nodes[r];

	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	if (a->total.bytes != b->total.bytes)
		return a->total.bytes > b->total.bytes ? -1 : 1;
	if (a->total.blocks != b->total.blocks)
		return a->total.blocks > b->total.blocks ? -1 : 1;
	return l < r ? -1 : l > r;
}

/* The nodes anew, siblings side by side. */
static struct tree arrange(const struct grower *grower, size_t nr_entries)
{
	uint32_t nr = (uint32_t)grower->nr, *order = xcalloc(nr, sizeof(*order));
	uint32_t *now_at = xcalloc(nr, sizeof(*now_at));
	struct tree tree = { .nodes = xcalloc(nr, sizeof(*tree.nodes)), .nr = nr };

	for (uint32_t i = 0; i < nr; i++)
		order[i] = i;
	qsort_r(order, nr, sizeof(*order), compare_nodes, grower->nodes);
	for (uint32_t i = 0; i < nr; i++)
		now_at[order[i]] = i;
	for (uint32_t i = 0; i < nr; i++) {
		struct tree_node *node = &tree.nodes[i], *parent;

		*node = grower->nodes[order[i]];
		if (!i)
			continue;
		/* Depth by depth: parents are there before their children. */
		node->parent = now_at[node->parent];
		parent = &tree.nodes[node->parent];
		if (!parent->nr_children++)
			parent->first_child = i;
	}
	tree.of_entry = grower->of_entry;
	for (size_t i = 0; i < nr_entries; i++)
		tree.of_entry[i] = now_at[tree.of_entry[i]];
	free(order);
	free(now_at);
	return tree;
}

struct tree tree__build(const struct process_report *process, enum cost cost, bool inverted)
{
	struct grower grower = { 0 };
	struct tree tree;

	grower.nodes = array__grow(NULL, 0, &grower.capacity, sizeof(*grower.nodes));
	grower.nodes[grower.nr++] = (struct tree_node){ .parent = TREE_NONE };
	grower.of_entry = xcalloc(process->nr_entries, sizeof(*grower.of_entry));
	for (size_t i = 0; i < process->nr_entries; i++)
		grower.of_entry[i] = add_entry(&grower, &process->entries[i], cost, inverted);
	hmap__clear(&grower.by_site);
	tree = arrange(&grower, process->nr_entries);
	free(grower.nodes);
	return tree;
}

void tree__clear(struct tree *tree)
{
	free(tree->nodes);
	free(tree->of_entry);
	*tree = (struct tree){ 0 };
}
