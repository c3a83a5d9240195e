// SPDX-License-Identifier: BSD-2-Clause
/*
 * What was an allocator is a call on the way to blocks here: FILE:LINE [BYTES] bytes, the bytes
 * being those of blocks that it leads to directly. A block stands below it, under the place of the
 * call that allocated it: FILE:LINE [BYTES] bytes at [0xADDRESS].
 *
 * cjdns's users count the objects of a place by a sed script that picks "NAME.c:LINE" or
 * "NAME.h:LINE" behind a blank. So that it counts all blocks and nothing but blocks, names of files
 * of blocks are spelled as it wants them (leaky-server.cc becomes leaky_server_cc.c), and names of
 * calls have a directory in front.
 */
#include "export/cjdns_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "report/tree.h"

/* A call that leads to others, or to blocks. */
struct place {
	uint64_t born_ns;   /* when the oldest block below it was allocated */
	uint32_t *children; /* those that are places themselves, newest first */
	uint32_t nr_children;
	uint64_t own_bytes;	       /* of the blocks at it */
	size_t first_block, nr_blocks; /* in snapshot->order */
};

struct snapshot {
	struct tree tree;
	struct place *places; /* by node */
	struct live_list list;
	uint32_t *leaf;	    /* by block: its node in the tree; TREE_NONE: it is not wanted */
	size_t *order;	    /* blocks by place, newest first */
	bool *following;    /* by depth: siblings follow the open place */
	uint32_t *children; /* of all places */
	FILE *out;
};

/* The name of a file without what the script would not read. */
static void write_source_name(const char *file, FILE *out)
{
	const char *base = path__base(file);
	size_t len = strlen(base);
	bool is_c =
		len > 2 && base[len - 2] == '.' && (base[len - 1] == 'c' || base[len - 1] == 'h');

	for (size_t i = 0; i < len - (is_c ? 2 : 0); i++)
		fputc(isalnum((unsigned char)base[i]) ? base[i] : '_', out);
	fputs(is_c ? base + len - 2 : ".c", out);
}

/* The last directory and the name: net/ICMP6Generator.c. */
static void write_path_name(const char *file, FILE *out)
{
	const char *base = path__base(file), *begin = base;

	if (begin > file)
		begin--;
	while (begin > file && begin[-1] != '/')
		begin--;
	if (begin == base || *begin == '/')
		fputs("./", out);
	for (const char *c = begin + (*begin == '/'); c < base; c++)
		fputc(isgraph((unsigned char)*c) ? *c : '_', out);
	write_source_name(file, out);
}

static void write_place(const struct frame *frame, bool is_block, FILE *out)
{
	if (!frame || !frame->file || !*path__base(frame->file)) {
		fputs("UNKNOWN:0", out);
		return;
	}
	if (is_block)
		write_source_name(frame->file, out);
	else
		write_path_name(frame->file, out);
	fprintf(out, ":%" PRIu32, frame->line);
}

/* As deep as a child of the place at that depth. */
static void write_indent(const struct snapshot *snapshot, uint32_t depth)
{
	for (uint32_t i = 0; i < depth; i++)
		fputs(snapshot->following[i] ? "| " : "  ", snapshot->out);
}

static uint32_t place_of(const struct snapshot *snapshot, uint32_t leaf)
{
	uint32_t parent = snapshot->tree.nodes[leaf].parent;

	return parent == TREE_NONE ? 0 : parent;
}

/* Which stack every block has, and where that ends in the tree. */
static void find_leaves(struct snapshot *snapshot, const struct process_report *process)
{
	struct hmap by_stack = { 0 };

	for (size_t i = 0; i < process->nr_entries; i++)
		hmap__set(&by_stack, process->entries[i].stack, snapshot->tree.of_entry[i]);
	snapshot->leaf = xcalloc(snapshot->list.nr, sizeof(*snapshot->leaf));
	for (size_t i = 0; i < snapshot->list.nr; i++) {
		const uint64_t *node = hmap__find(&by_stack, snapshot->list.all[i].stack);

		snapshot->leaf[i] = node ? (uint32_t)*node : TREE_NONE;
	}
	hmap__clear(&by_stack);
}

/* Blocks are put in the order of their places, and stay newest first in each. */
static void sort_blocks(struct snapshot *snapshot)
{
	struct place *places = snapshot->places;
	size_t nr = snapshot->list.nr, next = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct live_block *block = &snapshot->list.all[i];
		struct place *place;

		if (snapshot->leaf[i] == TREE_NONE)
			continue;
		place = &places[place_of(snapshot, snapshot->leaf[i])];
		place->nr_blocks++;
		place->own_bytes += block->bytes;
		place->born_ns = block->time_ns; /* older and older */
	}
	for (uint32_t i = 0; i < snapshot->tree.nr; i++) {
		places[i].first_block = next;
		next += places[i].nr_blocks;
		places[i].nr_blocks = 0;
	}
	snapshot->order = xcalloc(nr, sizeof(*snapshot->order));
	for (size_t i = 0; i < nr; i++) {
		struct place *place;

		if (snapshot->leaf[i] == TREE_NONE)
			continue;
		place = &places[place_of(snapshot, snapshot->leaf[i])];
		snapshot->order[place->first_block + place->nr_blocks++] = i;
	}
}

static int compare_places(const void *left, const void *right, void *data)
{
	const struct place *places = data;
	uint32_t l = *(const uint32_t *)left, r = *(const uint32_t *)right;

	if (places[l].born_ns != places[r].born_ns)
		return places[l].born_ns > places[r].born_ns ? -1 : 1;
	return l < r ? -1 : l > r;
}

/* What leads on to other calls is a place; children come behind their parents in the tree. */
static void sort_places(struct snapshot *snapshot)
{
	const struct tree_node *nodes = snapshot->tree.nodes;
	struct place *places = snapshot->places;
	uint32_t next = 0;

	for (uint32_t i = snapshot->tree.nr; i-- > 1;) {
		struct place *parent = &places[nodes[i].parent];

		if (places[i].born_ns && (!parent->born_ns || places[i].born_ns < parent->born_ns))
			parent->born_ns = places[i].born_ns;
	}
	snapshot->children = xcalloc(snapshot->tree.nr, sizeof(*snapshot->children));
	for (uint32_t i = 0; i < snapshot->tree.nr; i++) {
		places[i].children = snapshot->children + next;
		for (uint32_t k = 0; k < nodes[i].nr_children; k++)
			if (nodes[nodes[i].first_child + k].nr_children)
				snapshot->children[next++] = nodes[i].first_child + k;
		places[i].nr_children = (uint32_t)(snapshot->children + next - places[i].children);
		qsort_r(places[i].children, places[i].nr_children, sizeof(uint32_t), compare_places,
			places);
	}
}

static void write_head(const struct snapshot *snapshot, uint32_t node)
{
	write_indent(snapshot, snapshot->tree.nodes[node].depth);
	write_place(snapshot->tree.nodes[node].frame, !node, snapshot->out);
	fprintf(snapshot->out, " [%" PRIu64 "] bytes\n", snapshot->places[node].own_bytes);
}

static void write_blocks(const struct snapshot *snapshot, uint32_t node)
{
	const struct place *place = &snapshot->places[node];

	for (size_t i = 0; i < place->nr_blocks; i++) {
		size_t number = snapshot->order[place->first_block + i];
		const struct live_block *block = &snapshot->list.all[number];

		write_indent(snapshot, snapshot->tree.nodes[node].depth + 1);
		write_place(snapshot->tree.nodes[snapshot->leaf[number]].frame, true,
			    snapshot->out);
		fprintf(snapshot->out, " [%" PRIu64 "] bytes at [0x%" PRIx64 "]\n", block->bytes,
			block->addr);
	}
}

/* Without recursion. */
static void write_places(struct snapshot *snapshot)
{
	const struct place *places = snapshot->places;
	const struct tree_node *nodes = snapshot->tree.nodes;
	uint32_t *next = xcalloc(nodes[snapshot->tree.nr - 1].depth + 1, sizeof(*next)), at = 0;

	write_head(snapshot, 0);
	for (;;) {
		uint32_t depth = nodes[at].depth;

		if (next[depth] < places[at].nr_children) {
			at = places[at].children[next[depth]++];
			snapshot->following[depth + 1] =
				next[depth] < places[nodes[at].parent].nr_children;
			next[depth + 1] = 0;
			write_head(snapshot, at);
			continue;
		}
		write_blocks(snapshot, at);
		if (!at)
			break;
		at = nodes[at].parent;
	}
	free(next);
}

/* Of the blocks that stand there: a tree of a sampled recording has more. */
static uint64_t sum_bytes(const struct snapshot *snapshot)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < snapshot->tree.nr; i++)
		sum += snapshot->places[i].own_bytes;
	return sum;
}

void cjdns_text__write(const struct report *report, const struct process_report *process,
		       const struct live_blocks *blocks, FILE *out)
{
	struct snapshot snapshot = { .tree = tree__build(process, COST_LIVE, false),
				     .list = live_blocks__of(blocks, process->process),
				     .out = out };
	uint32_t deepest = snapshot.tree.nodes[snapshot.tree.nr - 1].depth;

	snapshot.places = xcalloc(snapshot.tree.nr, sizeof(*snapshot.places));
	snapshot.following = xcalloc(deepest + 2, sizeof(*snapshot.following));
	find_leaves(&snapshot, process);
	sort_blocks(&snapshot);
	sort_places(&snapshot);
	fputs("----- cjdns memory snapshot -----\n", out);
	write_places(&snapshot);
	/* The limit is not known: what was used, the one less the other, is right. */
	fprintf(out, "totalBytes [%" PRIu64 "] remaining [0]\n", sum_bytes(&snapshot));
	fputs("----- end cjdns memory snapshot -----\n", out);
	tree__clear(&snapshot.tree);
	free(snapshot.places);
	free(snapshot.list.all);
	free(snapshot.leaf);
	free(snapshot.order);
	free(snapshot.following);
	free(snapshot.children);
}
