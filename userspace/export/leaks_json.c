// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>

#include "base/json.h"
#include "base/util.h"
#include "export/export.h"
#include "export/json_parts.h"

static void write_summary(const struct process_report *leaks, uint64_t nr_lost, struct json *json)
{
	bool all = !leaks->process->sample_bytes;
	const struct heap_totals *totals = &leaks->totals;

	json__object(json, "summary");
	json__uint(json, "allocations", totals->allocations);
	json__uint(json, "frees", totals->frees);
	json__uint(json, "failed_allocations", totals->failed_allocations);
	json_parts__known(json, "unknown_frees", totals->unknown_frees, all);
	json__uint(json, "allocated_bytes", totals->allocated_bytes);
	json__uint(json, "peak_bytes", totals->peak_bytes);
	json__uint(json, "leaked_blocks", leaks->sums.of[COST_LIVE].blocks);
	json__uint(json, "leaked_bytes", leaks->sums.of[COST_LIVE].bytes);
	json__uint(json, "lost_events", nr_lost);
	json__end_object(json);
}

static void write_entry(const struct report_entry *entry, struct json *json)
{
	json__object(json, NULL);
	json__uint(json, "bytes", entry->costs.of[COST_LIVE].bytes);
	json__uint(json, "blocks", entry->costs.of[COST_LIVE].blocks);
	json__uint(json, "oldest_ns", entry->oldest_ns);
	json__uint(json, "newest_ns", entry->newest_ns);
	json__string(json, "family", entry->family);
	json_parts__frames(json, entry->frames, entry->nr_frames, entry->cut);
	json__end_object(json);
}

static void write_check(const struct selfcheck *check, struct json *json)
{
	const struct {
		uint64_t found;
		const char *reason;
	} reasons[] = {
		{ check->unknown_frees, "unknown_frees" },
		{ check->unexplained_bytes, "unexplained_memory" },
		{ check->replaced_blocks, "replaced_blocks" },
	};

	if (!check->suspicious)
		return;
	json__object(json, "missing_allocator");
	json__array(json, "reasons");
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].found)
			json__string(json, NULL, reasons[i].reason);
	json__end_array(json);
	json__string(json, "module", check->module ? check->module->path : NULL);
	json__end_object(json);
}

/* What a forked child began with: part of its figures. */
static void write_inherited(const struct process_report *leaks, struct json *json)
{
	if (!leaks->process->parent)
		return;
	json__object(json, "inherited");
	json__uint(json, "blocks", leaks->totals.inherited_blocks);
	json__uint(json, "bytes", leaks->totals.inherited_bytes);
	json__end_object(json);
}

static void write_process(const struct process_report *leaks, const struct model *model,
			  struct json *json)
{
	json__object(json, NULL);
	json__string(json, "heaptap", HEAPTAP_VERSION);
	json_parts__target(json, leaks->process);
	write_summary(leaks, model->nr_lost, json);
	write_inherited(leaks, json);
	json_parts__suppressed(json, leaks);
	write_check(&leaks->selfcheck, json);
	json__array(json, "leaks");
	for (size_t i = 0; i < leaks->nr_entries; i++)
		write_entry(&leaks->entries[i], json);
	json__end_array(json);
	json__end_object(json);
}

void leaks_json__write(const struct report *report, FILE *out)
{
	struct json json;

	json__begin(&json, out);
	if (report->nr_processes == 1) {
		write_process(&report->processes[0], report->model, &json);
		return;
	}
	json__object(&json, NULL);
	json__string(&json, "heaptap", HEAPTAP_VERSION);
	json__array(&json, "processes");
	for (size_t i = 0; i < report->nr_processes; i++)
		write_process(&report->processes[i], report->model, &json);
	json__end_array(&json);
	json__end_object(&json);
}
