// SPDX-License-Identifier: BSD-2-Clause
/* Call trees of made-up reports, and what a tree that is written says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "export/tree_text.h"
#include "report/tree.h"

static const char file[] = "/src/a.c", start[] = "start", mainf[] = "main", f[] = "f", g[] = "g";

#define AT(function, line)                              \
	{                                               \
		function, file, line, NULL, 0, 0, false \
	}

static const struct frame in_f[] = { AT(f, 3), AT(mainf, 10), AT(start, 1) };
static const struct frame in_g[] = { AT(g, 5), AT(f, 4), AT(mainf, 10), AT(start, 1) };
static const struct frame in_main[] = { AT(mainf, 11), AT(start, 1) };
/* Its innermost call leads on to g in the other stack. */
static const struct frame in_both[] = { AT(f, 4), AT(mainf, 10), AT(start, 1) };
static const struct frame recursive[] = { AT(f, 3), AT(f, 4),	   AT(f, 4),
					  AT(f, 4), AT(mainf, 10), AT(start, 1) };

#define ENTRY(stack, nr_bytes, nr, is_cut)                                \
	{                                                                 \
		.costs.of[COST_LIVE] = { nr_bytes, nr }, .frames = stack, \
		.nr_frames = ARRAY_SIZE(stack), .cut = is_cut             \
	}

static const struct report_entry entries[] = {
	ENTRY(in_f, 500, 5, false),	     ENTRY(in_g, 300, 3, false),
	ENTRY(in_main, 100, 1, false),	     ENTRY(in_both, 50, 1, false),
	ENTRY(recursive, 40, 4, false),	     ENTRY(in_g, 10, 1, true),
	{ .costs.of[COST_LIVE] = { 7, 1 } }, /* without a stack */
};

static const struct process_report process = { .entries = entries,
					       .nr_entries = ARRAY_SIZE(entries) };

/* Every node: its total is its own and its children's, who are in order and know it. */
static void check_sums(const struct tree *tree)
{
	for (uint32_t i = 0; i < tree->nr; i++) {
		const struct tree_node *node = &tree->nodes[i];
		struct amount sum = node->own;

		for (uint32_t k = 0; k < node->nr_children; k++) {
			const struct tree_node *child = &tree->nodes[node->first_child + k];

			assert_int_equal(child->parent, i);
			assert_int_equal(child->depth, node->depth + 1);
			assert_true(!k || child->total.bytes <= child[-1].total.bytes);
			amount__add(&sum, child->total);
		}
		assert_int_equal(sum.bytes, node->total.bytes);
		assert_int_equal(sum.blocks, node->total.blocks);
	}
}

static void test_sums_add_up(void **state)
{
	for (unsigned inverted = 0; inverted < 2; inverted++) {
		struct tree tree = tree__build(&process, COST_LIVE, inverted);

		check_sums(&tree);
		assert_int_equal(tree.nodes[0].total.bytes, 1007);
		assert_int_equal(tree.nodes[0].total.blocks, 16);
		assert_int_equal(tree.nodes[0].own.bytes, 7);
		for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
			assert_int_equal(tree.nodes[tree.of_entry[i]].depth,
					 entries[i].nr_frames + entries[i].cut);
		tree__clear(&tree);
	}
}

static void test_equal_sites_are_one_node(void **state)
{
	struct tree tree = tree__build(&process, COST_LIVE, false);
	const struct tree_node *begin = &tree.nodes[tree.nodes[0].first_child], *call;

	/* start, and the stacks whose outer end is missing */
	assert_int_equal(tree.nodes[0].nr_children, 2);
	assert_ptr_equal(begin->frame->function, start);
	assert_int_equal(begin->total.bytes, 990);
	assert_true(begin[1].cut);
	assert_int_equal(begin[1].total.bytes, 10);
	call = &tree.nodes[begin->first_child];
	assert_int_equal(call->frame->line, 10);
	assert_int_equal(call->total.bytes, 890);
	assert_int_equal(call->nr_children, 2);
	call = &tree.nodes[call->first_child + 1];
	assert_int_equal(call->frame->line, 4);
	assert_int_equal(call->own.bytes, 50);
	assert_int_equal(call->total.bytes, 390);
	tree__clear(&tree);
	tree = tree__build(&process, COST_LIVE, true);
	/* f:3, g:5, main:11, f:4 */
	assert_int_equal(tree.nodes[0].nr_children, 4);
	assert_int_equal(tree.nodes[1].total.bytes, 540);
	tree__clear(&tree);
}

static void test_nothing_is_a_tree(void **state)
{
	const struct process_report empty = { 0 };
	struct tree tree = tree__build(&empty, COST_LIVE, false);

	assert_int_equal(tree.nr, 1);
	assert_int_equal(tree.nodes[0].total.blocks, 0);
	tree__clear(&tree);
}

static char *written(const struct tree_limits *limits)
{
	struct tree tree = tree__build(&process, COST_LIVE, false);
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	setenv("LC_ALL", "C", 1);
	tree_text__write(&tree, limits, out);
	fclose(out);
	tree__clear(&tree);
	return text;
}

static void test_text_draws_branches(void **state)
{
	const struct tree_limits all = { 0 }, large = { .min_bytes = 60 }, flat = { .depth = 2 };
	char *text = written(&all);

	assert_string_equal(text, "bytes  blocks   share\n"
				  "  990      14   98.3%  start at a.c:1\n"
				  "  890      13   88.4%  |- main at a.c:10\n"
				  "  500       5   49.7%  |  |- f at a.c:3\n"
				  "  390       8   38.7%  |  `- f at a.c:4 (itself 50 bytes in 1)\n"
				  "  300       3   29.8%  |     |- g at a.c:5\n"
				  "   40       4    4.0%  |     `- f at a.c:4\n"
				  "                       |        f at a.c:4\n"
				  "                       |        f at a.c:3\n"
				  "  100       1    9.9%  `- main at a.c:11\n"
				  "   10       1    1.0%  (frames are missing)\n"
				  "                       start at a.c:1\n"
				  "                       main at a.c:10\n"
				  "                       f at a.c:4\n"
				  "                       g at a.c:5\n"
				  "    7       1    0.7%  (without a stack)\n");
	free(text);
	text = written(&large);
	assert_string_equal(text, "bytes  blocks   share\n"
				  "  990      14   98.3%  start at a.c:1\n"
				  "  890      13   88.4%  |- main at a.c:10\n"
				  "  500       5   49.7%  |  |- f at a.c:3\n"
				  "  390       8   38.7%  |  `- f at a.c:4 (itself 50 bytes in 1)\n"
				  "  300       3   29.8%  |     |- g at a.c:5\n"
				  "   40       4    4.0%  |     `- ... 1 smaller\n"
				  "  100       1    9.9%  `- main at a.c:11\n"
				  "   10       1    1.0%  ... 1 smaller\n"
				  "    7       1    0.7%  (without a stack)\n");
	free(text);
	text = written(&flat);
	assert_string_equal(text, "bytes  blocks   share\n"
				  "  990      14   98.3%  start at a.c:1\n"
				  "  890      13   88.4%  |- main at a.c:10 ...\n"
				  "  100       1    9.9%  `- main at a.c:11\n"
				  "   10       1    1.0%  (frames are missing)\n"
				  "                       start at a.c:1 ...\n"
				  "    7       1    0.7%  (without a stack)\n");
	free(text);
}

static void test_a_share_is_bytes_or_percent(void **state)
{
	struct tree tree = tree__build(&process, COST_LIVE, false);

	assert_int_equal(tree_text__min_bytes(&tree, &(struct share){ 0 }), 0);
	assert_int_equal(tree_text__min_bytes(&tree, &(struct share){ .bytes = 5 }), 5);
	assert_int_equal(tree_text__min_bytes(&tree, &(struct share){ .percent = 1 }), 11);
	assert_int_equal(tree_text__min_bytes(&tree, &(struct share){ .percent = 100 }), 1007);
	tree__clear(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_add_up),
		cmocka_unit_test(test_equal_sites_are_one_node),
		cmocka_unit_test(test_nothing_is_a_tree),
		cmocka_unit_test(test_text_draws_branches),
		cmocka_unit_test(test_a_share_is_bytes_or_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
