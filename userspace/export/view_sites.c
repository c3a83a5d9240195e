// SPDX-License-Identifier: BSD-2-Clause
/* Two views of the same figures: what each call site allocated, freed and kept, sorted by what it
 * allocated; and by its share of the peak. */
#include <inttypes.h>

#include "base/util.h"
#include "export/json_parts.h"
#include "export/process_text.h"
#include "export/report_state.h"
#include "export/report_text.h"

static void *begin_peak(struct model *model, const struct view_options *options)
{
	struct report_state *state = report_state__begin_profile(model, options);

	state->cost = COST_PEAK;
	return state;
}

static void *begin_sites(struct model *model, const struct view_options *options)
{
	struct report_state *state = report_state__begin_profile(model, options);

	if (!options->cost_given)
		state->cost = COST_TOTAL;
	return state;
}

static void write_amount(const char *name, struct amount amount, FILE *out)
{
	fprintf(out, "%s=%" PRIu64 "/%" PRIu64, name, amount.bytes, amount.blocks);
}

static void write_lifetime(const struct costs *costs, FILE *out)
{
	if (costs->nr_lifetimes)
		fprintf(out, " lifetime=%.6fs",
			(double)costs->lifetime_ns / (double)costs->nr_lifetimes / 1e9);
}

static void write_entry(const struct report_entry *entry, enum cost cost, FILE *out)
{
	static const struct {
		enum cost cost;
		const char *name;
	} columns[] = {
		{ COST_PEAK, "peak" }, { COST_TOTAL, "allocated" },	{ COST_FREED, "freed" },
		{ COST_LIVE, "live" }, { COST_TEMPORARY, "temporary" },
	};
	const struct costs *costs = &entry->costs;

	fputs("Site ", out);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (columns[i].cost == cost)
			write_amount(columns[i].name, costs->of[cost], out);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		if (columns[i].cost == cost)
			continue;
		fputc(' ', out);
		write_amount(columns[i].name, costs->of[columns[i].cost], out);
	}
	write_lifetime(costs, out);
	fputc('\n', out);
	report_text__write_frames(entry->frames, entry->nr_frames, entry->cut, out);
	fputc('\n', out);
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void write_sums(const struct report *report, const struct process_report *process, FILE *out)
{
	const struct amount *of = process->sums.of;
	uint64_t peak_after_ns = process->peak_ns - min(report->model->start_ns, process->peak_ns);

	fprintf(out,
		"Allocated: %" PRIu64 " bytes in %" PRIu64 " blocks; freed: %" PRIu64
		" bytes in %" PRIu64 ".\n",
		of[COST_TOTAL].bytes, of[COST_TOTAL].blocks, of[COST_FREED].bytes,
		of[COST_FREED].blocks);
	fprintf(out, "Peak: %" PRIu64 " bytes in %" PRIu64 " blocks, after %.3f s.\n",
		of[COST_PEAK].bytes, of[COST_PEAK].blocks, (double)peak_after_ns / 1e9);
	fprintf(out, "Live: %" PRIu64 " bytes in %" PRIu64 " blocks.\n", of[COST_LIVE].bytes,
		of[COST_LIVE].blocks);
	fprintf(out, "Temporary: %" PRIu64 " blocks, %.1f %% of all.\n", of[COST_TEMPORARY].blocks,
		percent(of[COST_TEMPORARY].blocks, of[COST_TOTAL].blocks));
	report_text__write_notes(process, out);
}

static int write_text(void *data, FILE *out)
{
	struct report_state *state = data;
	const struct report *report = report_state__build(state);

	fputs("Figures are bytes/blocks.\n\n", out);
	for (size_t i = 0; i < report->nr_processes; i++) {
		const struct process_report *process = &report->processes[i];

		if (report->nr_processes > 1)
			process_text__heading(process->process, out);
		for (size_t k = 0; k < process->nr_entries; k++)
			write_entry(&process->entries[k], report->cost, out);
		write_sums(report, process, out);
		if (report->nr_processes > 1)
			fputc('\n', out);
	}
	report_text__write_temporary(report->model, out);
	report_text__write_lost(report->model, out);
	return 0;
}

static void write_json_process(struct json *json, const struct report *report,
			       const struct process_report *process)
{
	json_parts__process(json, process->process);
	json_parts__seconds(json, "peak_after_seconds",
			    process->peak_ns - min(report->model->start_ns, process->peak_ns));
	json__object(json, "sum");
	json_parts__costs(json, &process->sums);
	json__end_object(json);
	json__array(json, "sites");
	for (size_t i = 0; i < process->nr_entries; i++) {
		const struct report_entry *entry = &process->entries[i];

		json__object(json, NULL);
		json_parts__costs(json, &entry->costs);
		json__string(json, "family", entry->family);
		json_parts__frames(json, entry->frames, entry->nr_frames, entry->cut);
		json__end_object(json);
	}
	json__end_array(json);
	json__end_object(json);
}

static int write_json(void *data, FILE *out)
{
	struct report_state *state = data;
	const struct report *report = report_state__build(state);
	struct json json;

	json_parts__begin(&json, out, report->cost == COST_PEAK ? "peak" : "sites", report->model);
	for (size_t i = 0; i < report->nr_processes; i++)
		write_json_process(&json, report, &report->processes[i]);
	json_parts__end(&json);
	return 0;
}

const struct view view_sites = {
	.name = "sites",
	.takes = VIEW_REPORT | VIEW_COST,
	.help = "what each call site allocated, freed and kept, by what it allocated (or --cost)",
	.begin = begin_sites,
	.write = write_text,
	.write_json = write_json,
	.nr_entries = report_state__nr_entries,
	.free = report_state__free,
};

const struct view view_peak = {
	.name = "peak",
	.takes = VIEW_REPORT,
	.help = "what was live when most was, by call site",
	.begin = begin_peak,
	.write = write_text,
	.write_json = write_json,
	.nr_entries = report_state__nr_entries,
	.free = report_state__free,
};
