// SPDX-License-Identifier: BSD-2-Clause
/*
 * pprof's profile.proto, compressed: what was allocated and what is live, by stack. Fields of a
 * message may come in any order, so samples are written as they come and the tables behind them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/gzip.h"
#include "base/log.h"
#include "base/protobuf.h"
#include "base/util.h"
#include "export/pprof_tables.h"
#include "export/report_state.h"
#include "export/report_text.h"

enum { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_STR, LABEL_NUM };
enum { VALUE_TYPE = 1, VALUE_UNIT };

/* Bytes that are collected before they are compressed. */
#define FLUSH_BYTES 65536

/* Names as Go's heap profiles have them: pprof knows what they mean. */
static const struct {
	const char *name, *unit;
	enum cost cost;
	bool is_bytes;
} values[] = {
	{ "alloc_objects", "count", COST_TOTAL, false },
	{ "alloc_space", "bytes", COST_TOTAL, true },
	{ "inuse_objects", "count", COST_LIVE, false },
	{ "inuse_space", "bytes", COST_LIVE, true },
};

struct writer {
	struct pprof_tables *tables;
	struct gzip *gzip;
	struct protobuf profile; /* what is not compressed yet */
	struct protobuf sample, label;
	bool tells_processes;
	uint64_t *ids; /* room for the locations of any stack */
};

static void *begin(struct model *model, const struct view_options *options)
{
	struct report_state *state;

	if (options->report.cost != COST_LIVE && options->report.cost != COST_TOTAL) {
		log_err("pprof has no place for --cost peak or temporary, only for live and "
			"total.");
		return NULL;
	}
	state = report_state__begin_profile(model, options);
	/* Unless only what is live is asked for, what has gone is in it, too. */
	if (!options->cost_given)
		state->cost = COST_TOTAL;
	return state;
}

static void flush(struct writer *writer)
{
	gzip__write(writer->gzip, writer->profile.data, writer->profile.len);
	protobuf__reset(&writer->profile);
}

static void write_label(struct writer *writer, const char *key, const char *text, uint64_t number)
{
	struct pprof_tables *tables = writer->tables;

	protobuf__reset(&writer->label);
	protobuf__uint(&writer->label, LABEL_KEY, pprof_tables__string(tables, key));
	protobuf__uint(&writer->label, LABEL_STR, pprof_tables__string(tables, text));
	protobuf__uint(&writer->label, LABEL_NUM, number);
	protobuf__message(&writer->sample, SAMPLE_LABEL, &writer->label);
}

static void write_sample(struct writer *writer, const struct process *process,
			 const struct report_entry *entry)
{
	uint64_t amounts[ARRAY_SIZE(values)];
	size_t nr;

	writer->ids = xreallocarray(writer->ids, entry->nr_frames, sizeof(*writer->ids));
	nr = pprof_tables__locate(writer->tables, process, entry->frames, entry->nr_frames,
				  writer->ids);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		struct amount amount = entry->costs.of[values[i].cost];

		/* They are signed. */
		amounts[i] =
			min(values[i].is_bytes ? amount.bytes : amount.blocks, (uint64_t)INT64_MAX);
	}
	protobuf__reset(&writer->sample);
	protobuf__packed(&writer->sample, SAMPLE_LOCATION_ID, writer->ids, nr);
	protobuf__packed(&writer->sample, SAMPLE_VALUE, amounts, ARRAY_SIZE(amounts));
	if (entry->family)
		write_label(writer, "allocator", entry->family, 0);
	if (writer->tells_processes) {
		write_label(writer, "pid", NULL, process->pid);
		write_label(writer, "process", path__base(process->exe ? process->exe : "?"), 0);
	}
	protobuf__message(&writer->profile, PROFILE_SAMPLE, &writer->sample);
	if (writer->profile.len >= FLUSH_BYTES)
		flush(writer);
}

static void write_value_type(struct writer *writer, unsigned field, const char *type,
			     const char *unit)
{
	struct protobuf *message = &writer->sample;

	protobuf__reset(message);
	protobuf__uint(message, VALUE_TYPE, pprof_tables__string(writer->tables, type));
	protobuf__uint(message, VALUE_UNIT, pprof_tables__string(writer->tables, unit));
	protobuf__message(&writer->profile, field, message);
}

/* text is freed. */
static void write_comment(struct writer *writer, char *text)
{
	protobuf__uint(&writer->profile, PROFILE_COMMENT,
		       pprof_tables__string(writer->tables, text));
	free(text);
}

static void write_head(struct writer *writer, const struct report *report, const char *value)
{
	const struct model *model = report->model;
	const struct process *first = report->processes[0].process;
	struct protobuf *profile = &writer->profile;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		write_value_type(writer, PROFILE_SAMPLE_TYPE, values[i].name, values[i].unit);
	protobuf__uint(profile, PROFILE_DEFAULT_SAMPLE_TYPE,
		       pprof_tables__string(writer->tables, value));
	write_value_type(writer, PROFILE_PERIOD_TYPE, "space", "bytes");
	/* Where all is recorded, every byte counts. Samples are estimates of the whole already. */
	protobuf__uint(profile, PROFILE_PERIOD, max(model->sample_bytes, 1u));
	protobuf__uint(
		profile, PROFILE_TIME_NANOS,
		min(anchor__realtime_ns(&model->anchor, model->start_ns), (uint64_t)INT64_MAX));
	protobuf__uint(
		profile, PROFILE_DURATION_NANOS,
		min(model->end_ns - min(model->start_ns, model->end_ns), (uint64_t)INT64_MAX));
	write_comment(writer, xstrdup("heaptap " HEAPTAP_VERSION));
	if (first->cmdline && *first->cmdline)
		write_comment(writer, xasprintf("Command: %s", first->cmdline));
	write_comment(writer, xasprintf("Lost events: %" PRIu64, model->nr_lost));
	if (model->sample_bytes) {
		char *sampled = report_text__sampled(model->sample_bytes);

		write_comment(writer, xasprintf("Sampled: %s", sampled));
		free(sampled);
	}
}

static int write_pprof(void *data, FILE *out)
{
	struct report_state *state = data;
	const struct view_options *options = state->options;
	const struct report *report = report_state__build(state);
	bool by_total = options->cost_given && options->report.cost == COST_TOTAL;
	struct writer writer = { .tables = pprof_tables__new(),
				 .gzip = gzip__new(out),
				 .tells_processes = report->nr_processes > 1 };

	write_head(&writer, report, by_total ? "alloc_space" : "inuse_space");
	for (size_t i = 0; i < report->nr_processes; i++) {
		const struct process_report *process = &report->processes[i];

		for (size_t k = 0; k < process->nr_entries; k++)
			write_sample(&writer, process->process, &process->entries[k]);
	}
	flush(&writer);
	gzip__write(writer.gzip, pprof_tables__locations(writer.tables)->data,
		    pprof_tables__locations(writer.tables)->len);
	pprof_tables__write(writer.tables, report->processes[0].process->exe, &writer.profile);
	flush(&writer);
	gzip__finish(writer.gzip);
	pprof_tables__free(writer.tables);
	protobuf__clear(&writer.profile);
	protobuf__clear(&writer.sample);
	protobuf__clear(&writer.label);
	free(writer.ids);
	return 0;
}

const struct view exporter_pprof = {
	.name = "pprof",
	.takes = VIEW_REPORT | VIEW_COST,
	.help = "for pprof (go tool pprof): what was allocated and what is live, by stack",
	.suffix = ".pb.gz",
	.begin = begin,
	.write = write_pprof,
	.nr_entries = report_state__nr_entries,
	.free = report_state__free,
};
