// SPDX-License-Identifier: BSD-2-Clause
/* The heap over time: two lines of bars and a short table; every bucket in JSON and as rows for
 * gnuplot. */
#include <inttypes.h>
#include <string.h>

#include "base/util.h"
#include "export/event_state.h"
#include "export/json_parts.h"
#include "export/report_text.h"
#include "export/screen.h"
#include "export/table.h"
#include "report/timeline.h"

#define MAX_ROWS 20

static void free_observer(void *timeline)
{
	timeline__free(timeline);
}

static void *begin(struct model *model, const struct view_options *options)
{
	return event_state__new(model, options, timeline__new(model), free_observer);
}

/* Where a bucket begins, and ends: its last one ends when the process did. */
static uint64_t begin_of(const struct timeline_process *line, size_t index)
{
	uint64_t span_ns = line->end_ns - line->begin_ns;

	return line->begin_ns +
	       (index < line->nr_buckets ? min(index * line->width_ns, span_ns) : span_ns);
}

/* Of buckets [from, to). */
static struct timeline_bucket sum_up(const struct timeline_process *line, size_t from, size_t to)
{
	struct timeline_bucket sum = line->buckets[from];

	for (size_t i = from + 1; i < to; i++) {
		const struct timeline_bucket *bucket = &line->buckets[i];

		sum.live = bucket->live;
		sum.peak_bytes = max(sum.peak_bytes, bucket->peak_bytes);
		amount__add(&sum.born, bucket->born);
		sum.nr_frees += bucket->nr_frees;
	}
	return sum;
}

/* A second. */
static uint64_t rate_of(const struct timeline_process *line, size_t from, size_t to)
{
	uint64_t ns = begin_of(line, to) - begin_of(line, from);
	uint64_t bytes = sum_up(line, from, to).born.bytes;
	double rate = (double)bytes * NSEC_PER_SEC / (double)max(ns, 1u);

	return rate < 1e19 ? (uint64_t)rate : UINT64_MAX;
}

static double seconds_since_start(const struct event_state *state, uint64_t time_ns)
{
	return (double)(time_ns - min(state->model->start_ns, time_ns)) / NSEC_PER_SEC;
}

/* The time below a line of bars. */
static void write_axis(const struct event_state *state, const struct timeline_process *line,
		       const struct screen *screen)
{
	char left[32], right[32];

	snprintf(left, sizeof(left), "%.3f s", seconds_since_start(state, line->begin_ns));
	snprintf(right, sizeof(right), "%.3f s", seconds_since_start(state, line->end_ns));
	fprintf(screen->out, "%s%*s\n", left,
		max((int)screen->columns - (int)strlen(left), (int)strlen(right) + 1), right);
}

/* An arrow to where the peak was. */
static void mark_peak(const struct timeline_process *line, const struct screen *screen)
{
	uint64_t span_ns = max(line->end_ns - line->begin_ns, 1u);
	uint64_t peak_ns = line->peak_ns - min(line->begin_ns, line->peak_ns);
	/* Times may run backwards, and the peak be behind the end. */
	int at = (int)((double)min(peak_ns, span_ns) / (double)span_ns * screen->columns);

	at = min(at, (int)screen->columns - 1);
	if (at + 6 <= (int)screen->columns)
		fprintf(screen->out, "%*s^ peak\n", at, "");
	else
		fprintf(screen->out, "%*s^\n", at, "peak ");
}

/* The buckets of a column of bars; where there are fewer buckets than columns, several have one. */
static void column_range(const struct timeline_process *line, const struct screen *screen,
			 unsigned column, size_t *from, size_t *to)
{
	*from = (size_t)column * line->nr_buckets / screen->columns;
	*to = max((size_t)(column + 1) * line->nr_buckets / screen->columns, *from + 1);
}

static void write_bars(const struct event_state *state, const struct timeline_process *line,
		       const struct screen *screen)
{
	uint64_t *live = xcalloc(screen->columns, sizeof(*live)), max_rate = 0;
	uint64_t *rate = xcalloc(screen->columns, sizeof(*rate));

	for (unsigned i = 0; i < screen->columns; i++) {
		size_t from, to;

		column_range(line, screen, i, &from, &to);
		live[i] = sum_up(line, from, to).peak_bytes;
		rate[i] = rate_of(line, from, to);
		max_rate = max(max_rate, rate[i]);
	}
	fprintf(screen->out,
		"Live: at most %" PRIu64 " bytes in %" PRIu64 " blocks, after %.3f s.\n",
		line->peak.bytes, line->peak.blocks, seconds_since_start(state, line->peak_ns));
	screen__spark(screen, live, screen->columns, line->peak.bytes);
	if (line->peak.bytes)
		mark_peak(line, screen);
	write_axis(state, line, screen);
	fprintf(screen->out, "Allocated: at most %" PRIu64 " bytes a second.\n", max_rate);
	screen__spark(screen, rate, screen->columns, max_rate);
	write_axis(state, line, screen);
	free(live);
	free(rate);
}

static void write_table(const struct event_state *state, const struct timeline_process *line,
			const struct screen *screen)
{
	static const char *const headings[] = { "from s", "to s",	 "live bytes", "highest",
						"blocks", "allocations", "frees",      "bytes" };
	struct table *table = table__new(headings, ARRAY_SIZE(headings), 2);
	size_t step = (line->nr_buckets + MAX_ROWS - 1) / MAX_ROWS;

	for (size_t from = 0; from < line->nr_buckets; from += step) {
		size_t to = min(from + step, line->nr_buckets);
		struct timeline_bucket sum = sum_up(line, from, to);
		const uint64_t figures[] = { sum.live.bytes,  sum.peak_bytes, sum.live.blocks,
					     sum.born.blocks, sum.nr_frees,   sum.born.bytes };

		table__cell(table, "%.6f", seconds_since_start(state, begin_of(line, from)));
		table__cell(table, "%.6f", seconds_since_start(state, begin_of(line, to)));
		for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
			table__cell(table, "%" PRIu64, figures[i]);
	}
	table__write(table, screen);
	table__free(table);
}

static void write_process(const struct event_state *state, const struct process *process, FILE *out)
{
	struct screen screen = screen__of(out, state->options->width);
	struct timeline_process line = timeline__of(state->observer, process);
	const struct timeline_bucket *last = &line.buckets[line.nr_buckets - 1];

	write_bars(state, &line, &screen);
	fputc('\n', out);
	write_table(state, &line, &screen);
	fprintf(out,
		"\nAllocations: %" PRIu64 " (%" PRIu64 " bytes), frees: %" PRIu64 "; live at the "
		"end: %" PRIu64 " bytes in %" PRIu64 " blocks.\n",
		line.born.blocks, line.born.bytes, line.nr_frees, last->live.bytes,
		last->live.blocks);
	if (line.inherited.blocks)
		fprintf(out, "Inherited by fork: %" PRIu64 " bytes in %" PRIu64 " blocks.\n",
			line.inherited.bytes, line.inherited.blocks);
}

static void write_seconds(uint64_t ns, FILE *out)
{
	fprintf(out, "%" PRIu64 ".%09" PRIu64, ns / (uint64_t)NSEC_PER_SEC,
		ns % (uint64_t)NSEC_PER_SEC);
}

/* For gnuplot and its kin: all buckets, numbers only. */
static void write_rows(const struct event_state *state, const struct process *process, char comma,
		       FILE *out)
{
	struct timeline_process line = timeline__of(state->observer, process);
	uint64_t start_ns = min(state->model->start_ns, line.begin_ns);

	for (size_t i = 0; i < line.nr_buckets; i++) {
		const struct timeline_bucket *bucket = &line.buckets[i];
		const uint64_t values[] = { bucket->live.bytes, bucket->live.blocks,
					    bucket->peak_bytes, bucket->born.blocks,
					    bucket->nr_frees,	bucket->born.bytes };

		fprintf(out, "%" PRIu32 "%c", process->pid, comma);
		write_seconds(begin_of(&line, i) - start_ns, out);
		fputc(comma, out);
		write_seconds(begin_of(&line, i + 1) - start_ns, out);
		for (size_t k = 0; k < ARRAY_SIZE(values); k++)
			fprintf(out, "%c%" PRIu64, comma, values[k]);
		fputc('\n', out);
	}
}

static void write_all_rows(const struct event_state *state, char comma, FILE *out)
{
	static const char *const names[] = { "pid",	    "from_seconds", "to_seconds",
					     "live_bytes",  "live_blocks",  "highest_live_bytes",
					     "allocations", "frees",	    "allocated_bytes" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		fprintf(out, "%s%c", names[i], i + 1 < ARRAY_SIZE(names) ? comma : '\n');
	for (size_t i = 0; i < state->model->nr_processes; i++)
		write_rows(state, state->model->processes[i], comma, out);
}

static int write_text(void *data, FILE *out)
{
	const struct event_state *state = data;
	const struct model *model = state->model;

	if (state->options->format) {
		report_text__warn_sampled(model);
		write_all_rows(state, strcmp(state->options->format, "tsv") ? ',' : '\t', out);
		return 0;
	}
	event_state__write_text(state, out, write_process);
	report_text__write_lost(model, out);
	return 0;
}

static void write_json_bucket(struct json *json, const struct event_state *state,
			      const struct timeline_process *line, size_t index)
{
	const struct timeline_bucket *bucket = &line->buckets[index];
	uint64_t start_ns = min(state->model->start_ns, line->begin_ns);

	json__object(json, NULL);
	json_parts__seconds(json, "from_seconds", begin_of(line, index) - start_ns);
	json_parts__seconds(json, "to_seconds", begin_of(line, index + 1) - start_ns);
	json__uint(json, "live_bytes", bucket->live.bytes);
	json__uint(json, "live_blocks", bucket->live.blocks);
	json__uint(json, "highest_live_bytes", bucket->peak_bytes);
	json__uint(json, "allocations", bucket->born.blocks);
	json__uint(json, "frees", bucket->nr_frees);
	json__uint(json, "allocated_bytes", bucket->born.bytes);
	json__end_object(json);
}

static void write_json_process(const struct event_state *state, const struct process *process,
			       struct json *json)
{
	struct timeline_process line = timeline__of(state->observer, process);
	uint64_t start_ns = min(state->model->start_ns, line.begin_ns);

	json_parts__seconds(json, "width_seconds", line.width_ns);
	json_parts__amount(json, "inherited", line.inherited);
	json_parts__amount(json, "peak", line.peak);
	json_parts__seconds(json, "peak_after_seconds", line.peak_ns - min(start_ns, line.peak_ns));
	json__uint(json, "allocations", line.born.blocks);
	json__uint(json, "allocated_bytes", line.born.bytes);
	json__uint(json, "frees", line.nr_frees);
	json__array(json, "buckets");
	for (size_t i = 0; i < line.nr_buckets; i++)
		write_json_bucket(json, state, &line, i);
	json__end_array(json);
}

static int write_json(void *data, FILE *out)
{
	event_state__write_json(data, out, "timeline", write_json_process);
	return 0;
}

static const struct view timeline_rows = {
	.name = "timeline",
	.takes = VIEW_HEAP,
	.of_events = true,
	.formats = "csv|tsv",
	.begin = begin,
	.write = write_text,
	.free = event_state__free,
};

const struct view view_timeline = {
	.name = "timeline",
	.takes = VIEW_HEAP | VIEW_WIDTH,
	.of_events = true,
	.help = "live bytes and the rate of allocation over time; --format csv or tsv for gnuplot",
	.formats = "csv|tsv",
	.with_format = &timeline_rows,
	.begin = begin,
	.write = write_text,
	.write_json = write_json,
	.free = event_state__free,
};
