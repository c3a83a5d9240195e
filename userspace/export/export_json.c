// SPDX-License-Identifier: BSD-2-Clause
/*
 * Everything there is to know of each stack, for programs: docs/export.schema.json. Entries are
 * plain objects, each with all its frames, as jq and pandas like them best.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "export/json_parts.h"
#include "export/report_state.h"

static void *begin(struct model *model, const struct view_options *options)
{
	struct report_state *state = report_state__begin_profile(model, options);

	if (!options->cost_given)
		state->cost = COST_TOTAL;
	return state;
}

static void write_totals(struct json *json, const struct process_report *process)
{
	const struct heap_totals *totals = &process->totals;
	/* Frees come of recorded blocks only. */
	const char *unknown = process->process->sample_bytes ? "unknown_frees" : "";
	const struct {
		const char *name;
		uint64_t value;
	} members[] = {
		{ "allocations", totals->allocations },
		{ "allocated_bytes", totals->allocated_bytes },
		{ "frees", totals->frees },
		{ "failed_allocations", totals->failed_allocations },
		{ "unknown_frees", totals->unknown_frees },
		{ "replaced_blocks", totals->replaced_blocks },
		{ "live_blocks", totals->live_blocks },
		{ "live_bytes", totals->live_bytes },
		{ "peak_bytes", totals->peak_bytes },
		{ "inherited_blocks", totals->inherited_blocks },
		{ "inherited_bytes", totals->inherited_bytes },
	};

	json__object(json, "totals");
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		json_parts__known(json, members[i].name, members[i].value,
				  strcmp(members[i].name, unknown) != 0);
	json__end_object(json);
}

static void write_entry(struct json *json, const struct report_entry *entry)
{
	json__object(json, NULL);
	json_parts__costs(json, &entry->costs);
	json__string(json, "family", entry->family);
	json_parts__frames(json, entry->frames, entry->nr_frames, entry->cut);
	json__end_object(json);
}

static void write_process(struct json *json, const struct process_report *process)
{
	json_parts__process(json, process->process);
	write_totals(json, process);
	json__object(json, "sum");
	json_parts__costs(json, &process->sums);
	json__end_object(json);
	json__uint(json, "left_out", process->nr_hidden);
	json__array(json, "entries");
	for (size_t i = 0; i < process->nr_entries; i++)
		write_entry(json, &process->entries[i]);
	json__end_array(json);
	json__end_object(json);
}

static void write_module(struct json *json, const struct module *module)
{
	char hex[MODULE_MAX_BUILD_ID * 2 + 1];

	for (uint32_t i = 0; i < module->build_id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", module->build_id[i]);
	json__object(json, NULL);
	json__string(json, "path", module->path);
	json__string(json, "build_id", module->build_id_len ? hex : NULL);
	json__end_object(json);
}

static int write_json(void *data, FILE *out)
{
	struct report_state *state = data;
	const struct report *report = report_state__build(state);
	const struct modmap *modmap = report->model->modmap;
	struct json json;

	json_parts__begin(&json, out, "export", report->model);
	for (size_t i = 0; i < report->nr_processes; i++)
		write_process(&json, &report->processes[i]);
	json__end_array(&json);
	json__array(&json, "modules");
	for (uint32_t i = 0; i < modmap__nr_modules(modmap); i++)
		write_module(&json, modmap__module(modmap, i));
	json__end_array(&json);
	json__end_object(&json);
	return 0;
}

const struct view exporter_json = {
	.name = "json",
	.takes = VIEW_REPORT | VIEW_COST,
	.help = "everything of every stack, for jq, pandas and the like (docs/export.schema.json)",
	.begin = begin,
	.write = write_json,
	.nr_entries = report_state__nr_entries,
	.free = report_state__free,
};
