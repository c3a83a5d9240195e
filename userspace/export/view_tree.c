// SPDX-License-Identifier: BSD-2-Clause
/* What is live, or another cost, as a call tree; or as cjdns printed its allocators. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "export/cjdns_text.h"
#include "export/json_parts.h"
#include "export/process_text.h"
#include "export/report_state.h"
#include "export/report_text.h"
#include "export/tree_text.h"

struct tree_state {
	struct report_state *report;
	const struct view_options *options;
	struct view_options report_options; /* with whole stacks: --depth is the tree's */
	struct live_blocks *blocks;	    /* NULL: they are not needed */
};

static const char *const cost_titles[] = { [COST_LIVE] = "Live",
					   [COST_PEAK] = "Peak",
					   [COST_TOTAL] = "Allocated",
					   [COST_TEMPORARY] = "Temporary" };

static void *begin(struct model *model, const struct view_options *options)
{
	bool cjdns = options->format; /* there is no other */
	struct tree_state *state = xcalloc(1, sizeof(*state));

	state->options = options;
	state->report_options = *options;
	state->report_options.report.depth = 0;
	state->report = report_state__begin(model, &state->report_options);
	if (cjdns)
		state->blocks = live_blocks__new(model);
	return state;
}

static void write_process(const struct tree_state *state, const struct report *report,
			  const struct process_report *process, FILE *out)
{
	struct tree tree = tree__build(process, report->cost, state->options->inverted);
	const struct tree_limits limits = { .depth = state->options->report.depth,
					    .min_bytes = tree_text__min_bytes(
						    &tree, &state->options->min_share) };
	const struct amount *whole = &tree.nodes[0].total;

	if (report->nr_processes > 1)
		process_text__heading(process->process, out);
	if (process->nr_entries) {
		tree_text__write(&tree, &limits, out);
		fputc('\n', out);
	}
	fprintf(out, "%s: %" PRIu64 " bytes in %" PRIu64 " block%s.\n", cost_titles[report->cost],
		whole->bytes, whole->blocks, whole->blocks == 1 ? "" : "s");
	report_text__write_notes(process, out);
	if (report->nr_processes > 1)
		fputc('\n', out);
	tree__clear(&tree);
}

static int write_text(void *data, FILE *out)
{
	struct tree_state *state = data;
	const struct report *report = report_state__build(state->report);

	for (size_t i = 0; i < report->nr_processes; i++) {
		const struct process_report *process = &report->processes[i];

		if (state->blocks)
			cjdns_text__write(report, process, state->blocks, out);
		else
			write_process(state, report, process, out);
	}
	if (!state->blocks) {
		report_text__write_lost(report->model, out);
		return 0;
	}
	if (report->model->sample_bytes)
		log_warn("This is a sampled recording: the snapshot has the blocks that were "
			 "recorded, and no others.");
	if (report->model->nr_lost)
		log_warn("%" PRIu64 " events were lost: the snapshot is incomplete.",
			 report->model->nr_lost);
	return 0;
}

static void open_json_node(struct json *json, const struct tree_node *node, bool has_key)
{
	json__object(json, has_key ? "tree" : NULL);
	json__uint(json, "bytes", node->total.bytes);
	json__uint(json, "blocks", node->total.blocks);
	json_parts__amount(json, "own", node->own);
	if (node->frame)
		json_parts__frame_members(json, node->frame);
	else
		json__bool(json, "cut", node->cut);
	json__array(json, "children");
}

static void close_json_node(struct json *json)
{
	json__end_array(json);
	json__end_object(json);
}

static bool has_shown_child(const struct tree *tree, const struct tree_node *node, uint32_t number,
			    const struct tree_limits *limits)
{
	return number < node->nr_children && (!limits->depth || node->depth < limits->depth) &&
	       tree->nodes[node->first_child + number].total.bytes >= limits->min_bytes;
}

/* As in tree_text.c, without recursion. */
static void write_json_tree(struct json *json, const struct tree *tree,
			    const struct tree_limits *limits)
{
	const struct tree_node *nodes = tree->nodes;
	uint32_t at = 0;

	open_json_node(json, &nodes[0], true);
	for (;;) {
		if (has_shown_child(tree, &nodes[at], 0, limits)) {
			at = nodes[at].first_child;
			open_json_node(json, &nodes[at], false);
			continue;
		}
		for (;;) {
			const struct tree_node *parent = &nodes[at ? nodes[at].parent : 0];

			close_json_node(json);
			if (!at)
				return;
			if (has_shown_child(tree, parent, at + 1 - parent->first_child, limits))
				break;
			at = nodes[at].parent;
		}
		open_json_node(json, &nodes[++at], false);
	}
}

static int write_json(void *data, FILE *out)
{
	struct tree_state *state = data;
	const struct report *report = report_state__build(state->report);
	struct json json;

	json_parts__begin(&json, out, "tree", report->model);
	for (size_t i = 0; i < report->nr_processes; i++) {
		const struct process_report *process = &report->processes[i];
		struct tree tree = tree__build(process, report->cost, state->options->inverted);
		const struct tree_limits limits = { .depth = state->options->report.depth,
						    .min_bytes = tree_text__min_bytes(
							    &tree, &state->options->min_share) };

		json_parts__process(&json, process->process);
		json_parts__suppressed(&json, process);
		write_json_tree(&json, &tree, &limits);
		json__end_object(&json);
		tree__clear(&tree);
	}
	json_parts__end(&json);
	return 0;
}

static size_t nr_entries(const void *data)
{
	return report_state__nr_entries(((const struct tree_state *)data)->report);
}

static void free_state(void *data)
{
	struct tree_state *state = data;

	if (!state)
		return;
	live_blocks__free(state->blocks);
	report_state__free(state->report);
	free(state);
}

/* Whole stacks of live blocks, each block a line. */
static const struct view tree_of_blocks = {
	.name = "tree",
	.takes = VIEW_HEAP | VIEW_OLDER | VIEW_MINIMA | VIEW_TOP | VIEW_ENTRIES,
	.formats = "cjdns",
	.begin = begin,
	.write = write_text,
	.nr_entries = nr_entries,
	.free = free_state,
};

const struct view view_tree = {
	.name = "tree",
	.takes = VIEW_REPORT | VIEW_OLDER | VIEW_COST | VIEW_TREE,
	.formats = "cjdns",
	.with_format = &tree_of_blocks,
	.help = "what is live (or --cost) as a call tree, from the outermost call inwards",
	.begin = begin,
	.write = write_text,
	.write_json = write_json,
	.nr_entries = nr_entries,
	.free = free_state,
};
