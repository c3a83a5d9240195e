// SPDX-License-Identifier: BSD-2-Clause
/* How large the blocks are: a histogram with bars, and the sizes asked for most often. */
#include <inttypes.h>

#include "base/util.h"
#include "export/event_state.h"
#include "export/json_parts.h"
#include "export/report_text.h"
#include "export/screen.h"
#include "export/table.h"
#include "report/sizes.h"

/* Frequent sizes shown, unless --top says how many. */
#define NR_FREQUENT 10

static void free_observer(void *sizes)
{
	sizes__free(sizes);
}

static void *begin(struct model *model, const struct view_options *options)
{
	return event_state__new(model, options, sizes__new(model), free_observer);
}

static double per_cent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static uint64_t mean_of(struct amount amount)
{
	return amount.blocks ? amount.bytes / amount.blocks : 0;
}

static void add_row(struct table *table, const struct sizes_row *row)
{
	if (row->from_bytes == row->to_bytes)
		table__cell(table, "%" PRIu64, row->from_bytes);
	else
		table__cell(table, "%" PRIu64 "-%" PRIu64, row->from_bytes, row->to_bytes);
	table__cell(table, "%" PRIu64, row->total.blocks);
	table__cell(table, "%" PRIu64, row->total.bytes);
	table__cell(table, "%" PRIu64, row->live.blocks);
	table__cell(table, "%" PRIu64, row->live.bytes);
	table__cell(table, "%.1f%%", per_cent(row->temporary.blocks, row->total.blocks));
	table__bar(table, row->total.blocks);
}

static void write_table(const struct sizes_process *sizes, const struct screen *screen)
{
	static const char *const headings[] = { "size",	       "allocations", "bytes",
						"live blocks", "live bytes",  "temporary" };
	struct table *table = table__new(headings, ARRAY_SIZE(headings), 1);

	for (size_t i = 0; i < sizes->nr_rows; i++)
		add_row(table, &sizes->rows[i]);
	table__write(table, screen);
	table__free(table);
}

static void write_frequent(const struct event_state *state, const struct sizes_process *process,
			   FILE *out)
{
	uint64_t nr = state->options->report.top ? state->options->report.top : NR_FREQUENT;
	const char *least = process->nr_missed ? "at least " : "";

	if (!process->nr_exact)
		return;
	fputs("\nMost frequent sizes:\n", out);
	for (size_t i = 0; i < process->nr_exact && i < nr; i++)
		fprintf(out, "%12" PRIu64 " bytes: %s%" PRIu64 " allocations, %.1f%% of all\n",
			process->exact[i].bytes, least, process->exact[i].nr,
			per_cent(process->exact[i].nr, process->sum.total.blocks));
	if (process->nr_missed)
		fprintf(out,
			"There are more sizes than can be counted: each may have come up to "
			"%" PRIu64 " times more often.\n",
			process->nr_missed);
}

static void write_process(const struct event_state *state, const struct process *process, FILE *out)
{
	struct screen screen = screen__of(out, state->options->width);
	struct sizes_process sizes = sizes__of(state->observer, process);
	const struct sizes_row *sum = &sizes.sum;

	write_table(&sizes, &screen);
	write_frequent(state, &sizes, out);
	fprintf(out,
		"\nAllocations: %" PRIu64 " (%" PRIu64 " bytes), %" PRIu64 " bytes on average.\n",
		sum->total.blocks, sum->total.bytes, mean_of(sum->total));
	fprintf(out,
		"Live at the end: %" PRIu64 " bytes in %" PRIu64 " blocks, %" PRIu64
		" bytes on average.\n",
		sum->live.bytes, sum->live.blocks, mean_of(sum->live));
	fprintf(out, "Temporary: %" PRIu64 " blocks, %.1f %% of all.\n", sum->temporary.blocks,
		per_cent(sum->temporary.blocks, sum->total.blocks));
}

static int write_text(void *data, FILE *out)
{
	const struct event_state *state = data;
	const struct model *model = state->model;

	event_state__write_text(state, out, write_process);
	report_text__write_temporary(model, out);
	report_text__write_lost(model, out);
	return 0;
}

static void write_json_amounts(struct json *json, const struct sizes_row *row)
{
	json_parts__amount(json, "allocated", row->total);
	json_parts__amount(json, "live", row->live);
	json_parts__amount(json, "temporary", row->temporary);
}

static void write_json_process(const struct event_state *state, const struct process *process,
			       struct json *json)
{
	struct sizes_process sizes = sizes__of(state->observer, process);

	json__object(json, "sum");
	write_json_amounts(json, &sizes.sum);
	json__end_object(json);
	json__array(json, "sizes");
	for (size_t i = 0; i < sizes.nr_rows; i++) {
		json__object(json, NULL);
		json__uint(json, "from_bytes", sizes.rows[i].from_bytes);
		json__uint(json, "to_bytes", sizes.rows[i].to_bytes);
		write_json_amounts(json, &sizes.rows[i]);
		json__end_object(json);
	}
	json__end_array(json);
	json__uint(json, "not_counted_at_most", sizes.nr_missed);
	json__array(json, "frequent");
	for (size_t i = 0; i < sizes.nr_exact; i++) {
		if (state->options->report.top && i >= state->options->report.top)
			break;
		json__object(json, NULL);
		json__uint(json, "bytes", sizes.exact[i].bytes);
		json__uint(json, "allocations", sizes.exact[i].nr);
		json__end_object(json);
	}
	json__end_array(json);
}

static int write_json(void *data, FILE *out)
{
	event_state__write_json(data, out, "sizes", write_json_process);
	return 0;
}

const struct view view_sizes = {
	.name = "sizes",
	.takes = VIEW_HEAP | VIEW_TOP | VIEW_WIDTH,
	.of_events = true,
	.help = "a histogram of the sizes that were asked for, and the most frequent ones",
	.begin = begin,
	.write = write_text,
	.write_json = write_json,
	.free = event_state__free,
};
