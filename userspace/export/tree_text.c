// SPDX-License-Identifier: BSD-2-Clause
#include "export/tree_text.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "export/report_text.h"

/* In front of a line of a level: of the first line of a branch, and of what is beside it. */
struct lines {
	const char *branch, *last_branch, *beside, *nothing, *more;
};

static const struct lines drawn = { "├─ ", "└─ ", "│  ", "   ", "…" };
static const struct lines typed = { "|- ", "`- ", "|  ", "   ", "..." };

struct writer {
	const struct tree *tree;
	const struct tree_limits *limits;
	const struct lines *lines;
	FILE *out;
	int bytes_width, blocks_width;
	uint32_t *levels; /* of indentation, by node: 0 is not indented */
	bool *is_last;	  /* by level: nothing follows the branch that is open there */
};

/* What the person's terminal shows. */
static bool shows_utf8(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	bool yes = locale && !strcmp(nl_langinfo_l(CODESET, locale), "UTF-8");

	if (locale)
		freelocale(locale);
	return yes;
}

/* Is this one of the children of a node shown? Those that are come first. */
static bool shows_child(const struct writer *writer, const struct tree_node *node, uint32_t number)
{
	const struct tree_limits *limits = writer->limits;

	return number < node->nr_children && (!limits->depth || node->depth < limits->depth) &&
	       writer->tree->nodes[node->first_child + number].total.bytes >= limits->min_bytes;
}

/* How many are, one by one. */
static uint32_t nr_shown(const struct writer *writer, const struct tree_node *node)
{
	uint32_t nr = 0;

	while (shows_child(writer, node, nr))
		nr++;
	return nr;
}

/* The only way on: it has its parent's figures. */
static bool goes_on(const struct writer *writer, const struct tree_node *node)
{
	const struct tree_node *parent = &writer->tree->nodes[node->parent];

	return node->parent && parent->nr_children == 1 && !parent->own.blocks;
}

static void write_figures(const struct writer *writer, const struct amount *amount)
{
	uint64_t whole = writer->tree->nodes[0].total.bytes;

	fprintf(writer->out, "%*" PRIu64 "  %*" PRIu64 "  %5.1f%%  ", writer->bytes_width,
		amount->bytes, writer->blocks_width, amount->blocks,
		whole ? 100.0 * (double)amount->bytes / (double)whole : 0.0);
}

static void write_lines(const struct writer *writer, uint32_t level, bool begins)
{
	const struct lines *lines = writer->lines;

	for (uint32_t i = 1; i <= level; i++) {
		bool last = writer->is_last[i];

		if (i == level && begins)
			fputs(last ? lines->last_branch : lines->branch, writer->out);
		else
			fputs(last ? lines->nothing : lines->beside, writer->out);
	}
}

static void write_node(const struct writer *writer, uint32_t index)
{
	const struct tree_node *node = &writer->tree->nodes[index];
	bool continued = goes_on(writer, node);
	FILE *out = writer->out;

	if (continued)
		fprintf(out, "%*s", writer->bytes_width + writer->blocks_width + 12, "");
	else
		write_figures(writer, &node->total);
	write_lines(writer, writer->levels[index], !continued);
	if (node->frame)
		report_text__write_frame(node->frame, out);
	else
		fputs("(frames are missing)", out);
	if (node->own.blocks && node->nr_children)
		fprintf(out, " (itself %" PRIu64 " bytes in %" PRIu64 ")", node->own.bytes,
			node->own.blocks);
	if (node->nr_children && writer->limits->depth && node->depth >= writer->limits->depth)
		fprintf(out, " %s", writer->lines->more);
	fputc('\n', out);
}

/* The line for the children that are not shown, behind the others. */
static void write_smaller(const struct writer *writer, uint32_t index)
{
	const struct tree_node *node = &writer->tree->nodes[index];
	uint32_t shown = nr_shown(writer, node);
	struct amount sum = { 0 };

	if (shown == node->nr_children ||
	    (writer->limits->depth && node->depth >= writer->limits->depth))
		return;
	for (uint32_t i = shown; i < node->nr_children; i++)
		amount__add(&sum, writer->tree->nodes[node->first_child + i].total);
	write_figures(writer, &sum);
	if (index)
		writer->is_last[writer->levels[index] + 1] = true;
	write_lines(writer, index ? writer->levels[index] + 1 : 0, true);
	fprintf(writer->out, "%s %" PRIu32 " smaller\n", writer->lines->more,
		node->nr_children - shown);
}

/* A node that the walk has come to: where it stands, and what it says. */
static void enter(struct writer *writer, uint32_t index)
{
	const struct tree_node *node = &writer->tree->nodes[index];
	const struct tree_node *parent = &writer->tree->nodes[node->parent];
	uint32_t level = writer->levels[node->parent];

	if (node->parent && !goes_on(writer, node)) {
		level++;
		writer->is_last[level] = index + 1 == parent->first_child + parent->nr_children;
	}
	writer->levels[index] = level;
	write_node(writer, index);
}

/* Depth first, without recursion: stacks are as deep as their program pleases. */
static void walk(struct writer *writer)
{
	const struct tree_node *nodes = writer->tree->nodes;
	uint32_t at = 0;

	for (;;) {
		if (shows_child(writer, &nodes[at], 0)) {
			at = nodes[at].first_child;
			enter(writer, at);
			continue;
		}
		write_smaller(writer, at);
		for (;;) {
			const struct tree_node *parent;

			if (!at)
				return;
			parent = &nodes[nodes[at].parent];
			if (shows_child(writer, parent, at + 1 - parent->first_child))
				break;
			at = nodes[at].parent;
			write_smaller(writer, at);
		}
		enter(writer, ++at);
	}
}

static int width_of(uint64_t value, const char *title)
{
	return max(snprintf(NULL, 0, "%" PRIu64, value), (int)strlen(title));
}

void tree_text__write(const struct tree *tree, const struct tree_limits *limits, FILE *out)
{
	const struct amount *whole = &tree->nodes[0].total;
	struct writer writer = {
		.tree = tree,
		.limits = limits,
		.lines = shows_utf8() ? &drawn : &typed,
		.out = out,
		.bytes_width = width_of(whole->bytes, "bytes"),
		.blocks_width = width_of(whole->blocks, "blocks"),
		.levels = xcalloc(tree->nr, sizeof(*writer.levels)),
		.is_last = xcalloc(tree->nodes[tree->nr - 1].depth + 2, sizeof(*writer.is_last)),
	};

	fprintf(out, "%*s  %*s   share\n", writer.bytes_width, "bytes", writer.blocks_width,
		"blocks");
	walk(&writer);
	if (tree->nodes[0].own.blocks) {
		write_figures(&writer, &tree->nodes[0].own);
		fputs("(without a stack)\n", out);
	}
	free(writer.levels);
	free(writer.is_last);
}

uint64_t tree_text__min_bytes(const struct tree *tree, const struct share *min)
{
	double bytes = (double)tree->nodes[0].total.bytes * min->percent / 100;

	return max(min->bytes, (uint64_t)bytes + (bytes > (double)(uint64_t)bytes));
}
