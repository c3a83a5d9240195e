// SPDX-License-Identifier: BSD-2-Clause
/*
 * Blocks that have grown old without being freed. As a report of what is left at the end, by call
 * path, with its age; or as rows that are written while the program runs (--format).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "export/event_rows.h"
#include "export/json_parts.h"
#include "export/process_text.h"
#include "export/report_state.h"
#include "export/report_text.h"
#include "report/orphans.h"
#include "wire.h"

#define DEFAULT_AGE_NS (60 * NSEC_PER_SEC)
/* Of watching: rows are written so often at most. */
#define WRITE_NS NSEC_PER_SEC

struct orphans_view {
	struct model *model;
	const struct view_options *options;
	struct orphans_options orphans_options;
	struct orphans *orphans;
	struct report_state *report; /* of the report */
	size_t nr_orphans;	     /* entries of it */
	/* Of rows. */
	struct eventlog *log;
	struct event_rows *rows;
	uint64_t written_ns;
};

static struct orphans_view *new_view(struct model *model, const struct view_options *options)
{
	struct orphans_view *view = xcalloc(1, sizeof(*view));

	view->model = model;
	view->options = options;
	view->orphans_options.age_ns = options->age_ns ? options->age_ns : DEFAULT_AGE_NS;
	view->orphans_options.interval_ns =
		options->interval_ns ? options->interval_ns : view->orphans_options.age_ns;
	view->orphans_options.at_end_only = options->resolve;
	return view;
}

static void *begin(struct model *model, const struct view_options *options)
{
	struct orphans_view *view = new_view(model, options);

	view->report = report_state__begin(model, options);
	view->report->cost = COST_LIVE;
	view->orphans = orphans__new(model, &view->orphans_options);
	return view;
}

static int tick(void *data, uint64_t now_ns)
{
	struct orphans_view *view = data;

	orphans__tick(view->orphans, now_ns);
	return 0;
}

/* Nobody will free what a process left behind; in one that lives it is a question of age. */
static bool is_orphan(const struct orphans_view *view, const struct process_report *process,
		      const struct report_entry *entry)
{
	return process->process->end_reason == WIRE_END_EXITED ||
	       entry->oldest_ns >= view->orphans_options.age_ns;
}

static const struct report *build(struct orphans_view *view)
{
	const struct report *report = report_state__build(view->report);

	orphans__finish(view->orphans);
	for (size_t i = 0; i < report->nr_processes; i++)
		for (size_t k = 0; k < report->processes[i].nr_entries; k++)
			view->nr_orphans += is_orphan(view, &report->processes[i],
						      &report->processes[i].entries[k]);
	return report;
}

static void write_entry(const struct report_entry *entry, const char *name, FILE *out)
{
	const struct amount *live = &entry->costs.of[COST_LIVE];

	fprintf(out, "%s sum=%" PRIu64 " count=%" PRIu64 " avg=%" PRIu64, name, live->bytes,
		live->blocks, live->bytes / live->blocks);
	fprintf(out, " oldest=%.3fs newest=%.3fs\n", (double)entry->oldest_ns / 1e9,
		(double)entry->newest_ns / 1e9);
	report_text__write_frames(entry->frames, entry->nr_frames, entry->cut, out);
	fputc('\n', out);
}

static void write_amount(const char *what, struct amount amount, FILE *out)
{
	fprintf(out, "%s: %" PRIu64 " bytes in %" PRIu64 " block%s.\n", what, amount.bytes,
		amount.blocks, amount.blocks == 1 ? "" : "s");
}

static void write_sums(const struct orphans_view *view, const struct process_report *process,
		       FILE *out)
{
	struct orphans_count count = orphans__count(view->orphans, process->process);
	double age = (double)view->orphans_options.age_ns / 1e9;
	char text[64];

	snprintf(text, sizeof(text), "At least %g s old", age);
	write_amount(text, count.old, out);
	write_amount("Younger", count.young, out);
	write_amount("Grew old and were freed after all", count.retracted, out);
	fputs("Frees of blocks that were never seen allocated: ", out);
	if (process->process->sample_bytes)
		fputs("not known.\n", out);
	else
		fprintf(out, "%" PRIu64 ".\n", count.nr_unknown_frees);
	report_text__write_notes(process, out);
}

static void write_process(const struct orphans_view *view, const struct process_report *process,
			  FILE *out)
{
	for (int young = 0; young < 2; young++)
		for (size_t i = 0; i < process->nr_entries; i++)
			if (is_orphan(view, process, &process->entries[i]) == !young)
				write_entry(&process->entries[i], young ? "Young" : "Orphan", out);
	write_sums(view, process, out);
}

static int write_text(void *data, FILE *out)
{
	struct orphans_view *view = data;
	const struct report *report = build(view);

	for (size_t i = 0; i < report->nr_processes; i++) {
		if (report->nr_processes > 1)
			process_text__heading(report->processes[i].process, out);
		write_process(view, &report->processes[i], out);
		if (report->nr_processes > 1)
			fputc('\n', out);
	}
	report_text__write_lost(report->model, out);
	return 0;
}

static void write_json_entry(struct json *json, const struct report_entry *entry, bool orphan)
{
	json__object(json, NULL);
	json__uint(json, "bytes", entry->costs.of[COST_LIVE].bytes);
	json__uint(json, "blocks", entry->costs.of[COST_LIVE].blocks);
	json__uint(json, "oldest_ns", entry->oldest_ns);
	json__uint(json, "newest_ns", entry->newest_ns);
	json__bool(json, "orphan", orphan);
	json__string(json, "family", entry->family);
	json_parts__frames(json, entry->frames, entry->nr_frames, entry->cut);
	json__end_object(json);
}

static int write_json(void *data, FILE *out)
{
	struct orphans_view *view = data;
	const struct report *report = build(view);
	struct json json;

	json_parts__begin(&json, out, "orphans", view->model);
	for (size_t i = 0; i < report->nr_processes; i++) {
		const struct process_report *process = &report->processes[i];
		struct orphans_count count = orphans__count(view->orphans, process->process);

		json_parts__process(&json, process->process);
		json__uint(&json, "age_ns", view->orphans_options.age_ns);
		json_parts__amount(&json, "old", count.old);
		json_parts__amount(&json, "young", count.young);
		json_parts__amount(&json, "retracted", count.retracted);
		json_parts__known(&json, "unknown_frees", count.nr_unknown_frees,
				  !process->process->sample_bytes);
		json__array(&json, "orphans");
		for (size_t k = 0; k < process->nr_entries; k++)
			write_json_entry(&json, &process->entries[k],
					 is_orphan(view, process, &process->entries[k]));
		json__end_array(&json);
		json__end_object(&json);
	}
	json_parts__end(&json);
	return 0;
}

static size_t nr_entries(const void *data)
{
	return ((const struct orphans_view *)data)->nr_orphans;
}

static void free_view(void *data)
{
	struct orphans_view *view = data;

	report_state__free(view->report);
	orphans__free(view->orphans);
	event_rows__close(view->rows);
	eventlog__free(view->log);
	free(view);
}

static void *begin_rows(struct model *model, const struct view_options *options)
{
	bool csv = !strcmp(options->format, "csv");
	struct orphans_view *view;

	view = new_view(model, options);
	view->rows = event_rows__open(model, options, csv ? ROWS_CSV : ROWS_MALLOC_TRACE);
	if (!view->rows) {
		free(view);
		return NULL;
	}
	view->log = view->orphans_options.log = eventlog__new(model, event_rows__write, view->rows);
	view->orphans = orphans__new(model, &view->orphans_options);
	return view;
}

static int tick_rows(void *data, uint64_t now_ns)
{
	struct orphans_view *view = data;
	int err;

	orphans__tick(view->orphans, now_ns);
	if (view->options->live && now_ns - view->written_ns < WRITE_NS)
		return 0;
	view->written_ns = now_ns;
	err = eventlog__drain(view->log);
	return err ? err : event_rows__flush(view->rows);
}

static int finish_rows(void *data)
{
	struct orphans_view *view = data;
	int err, close_err;

	orphans__finish(view->orphans);
	err = eventlog__drain(view->log);
	close_err = event_rows__close(view->rows);
	view->rows = NULL;
	return err ? err : close_err;
}

static bool names_first(const void *state)
{
	return true;
}

static const struct view orphan_rows = {
	.name = "orphans",
	.takes = VIEW_HEAP | VIEW_DEPTH | VIEW_AGE | VIEW_RESOLVE | VIEW_ROTATE,
	.of_events = true,
	.formats = "csv|malloc-trace",
	.begin = begin_rows,
	.tick = tick_rows,
	.names_first = names_first,
	.write_files = finish_rows,
	.free = free_view,
};

const struct view view_orphans = {
	.name = "orphans",
	.takes = VIEW_REPORT | VIEW_AGE,
	.of_events = true,
	.help = "blocks that have grown old (--age) without being freed; as rows with --format",
	.formats = "csv|malloc-trace",
	.with_format = &orphan_rows,
	.begin = begin,
	.tick = tick,
	.write = write_text,
	.write_json = write_json,
	.nr_entries = nr_entries,
	.free = free_view,
};
