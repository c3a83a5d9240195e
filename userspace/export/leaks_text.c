// SPDX-License-Identifier: BSD-2-Clause
/* The block of OpenBSD's mdump (its users' scripts read it): a head line, a line a frame, an empty
 * one. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/text.h"
#include "base/util.h"
#include "export/export.h"
#include "export/process_text.h"
#include "export/report_text.h"

/* Where all is the C library's, as most often, nobody has to be told. */
static bool shows_families(const struct process_report *leaks)
{
	return leaks->nr_families > 1 || (leaks->nr_families && !leaks->families[0].of_libc);
}

static void write_entry(const struct report_entry *entry, bool family, FILE *out)
{
	const struct amount *live = &entry->costs.of[COST_LIVE];

	fprintf(out, "Leak sum=%" PRIu64 " count=%" PRIu64 " avg=%" PRIu64, live->bytes,
		live->blocks, live->bytes / live->blocks);
	if (family) {
		fputs(" family=", out);
		text__print(out, entry->family ? entry->family : "?");
	}
	fputc('\n', out);
	report_text__write_frames(entry->frames, entry->nr_frames, entry->cut, out);
	fputc('\n', out);
}

static void write_families(const struct process_report *leaks, FILE *out)
{
	for (size_t i = 0; i < leaks->nr_families; i++) {
		const struct report_family *family = &leaks->families[i];

		fputs(i ? ", " : "By family: ", out);
		text__print(out, family->name ? family->name : "?");
		fprintf(out, " %" PRIu64 " bytes in %" PRIu64 " block%s", family->amount.bytes,
			family->amount.blocks, family->amount.blocks == 1 ? "" : "s");
	}
	fputs(".\n", out);
}

static void write_totals(const struct process_report *leaks, FILE *out)
{
	const struct heap_totals *totals = &leaks->totals;

	fprintf(out, "Live: %" PRIu64 " bytes in %" PRIu64 " block%s, peak %" PRIu64 " bytes.\n",
		leaks->sums.of[COST_LIVE].bytes, leaks->sums.of[COST_LIVE].blocks,
		leaks->sums.of[COST_LIVE].blocks == 1 ? "" : "s", totals->peak_bytes);
	if (leaks->nr_families > 1)
		write_families(leaks, out);
	if (totals->inherited_blocks)
		fprintf(out, "Inherited by fork: %" PRIu64 " bytes in %" PRIu64 " block%s.\n",
			totals->inherited_bytes, totals->inherited_blocks,
			totals->inherited_blocks == 1 ? "" : "s");
	fprintf(out, "Allocations: %" PRIu64 " (%" PRIu64 " bytes), failed: %" PRIu64 ".\n",
		totals->allocations, totals->allocated_bytes, totals->failed_allocations);
	fprintf(out, "Frees: %" PRIu64 ", of blocks older than the attach: ", totals->frees);
	if (leaks->process->sample_bytes)
		fputs("not known.\n", out);
	else
		fprintf(out, "%" PRIu64 ".\n", totals->unknown_frees);
}

#define MIB (1u << 20)

static void write_check(const struct selfcheck *check, FILE *out)
{
	const char *between = ": ";

	if (!check->suspicious)
		return;
	fputs("\nheaptap may be missing an allocator", out);
	if (check->unexplained_bytes) {
		fprintf(out, "%smemory grew by %" PRIu64 " MiB that no watched function allocated",
			between, check->unexplained_bytes / MIB);
		between = "; ";
	}
	if (check->unknown_frees) {
		fprintf(out, "%s%" PRIu64 " blocks were freed that no watched function allocated",
			between, check->unknown_frees);
		between = "; ";
	}
	if (check->replaced_blocks)
		fprintf(out,
			"%s%" PRIu64 " blocks were allocated again that no watched function "
			"had freed",
			between, check->replaced_blocks);
	if (check->module) {
		fputs("; ", out);
		text__print(out, path__base(check->module->path));
		fputs(" asks the kernel for memory itself", out);
	}
	fputs(". `heaptap help leaks` explains --allocator.\n", out);
}

static void write_entries(const struct process_report *leaks, FILE *out)
{
	bool family = shows_families(leaks);

	for (size_t i = 0; i < leaks->nr_entries; i++)
		write_entry(&leaks->entries[i], family, out);
}

/* A process among several. One that allocated nothing itself and leaves nothing gets a line, not a
 * block. */
static void write_process(const struct process_report *leaks, bool *in_list, FILE *out)
{
	const struct process *process = leaks->process;
	bool idle = !leaks->sums.of[COST_LIVE].blocks && !leaks->selfcheck.suspicious &&
		    leaks->totals.allocations == leaks->totals.inherited_allocations;

	/* Lines follow each other; blocks stand apart. */
	if (!idle && *in_list)
		fputc('\n', out);
	*in_list = idle;
	if (idle) {
		process_text__write(process, out);
		fputs(": no allocations.\n", out);
		return;
	}
	process_text__heading(process, out);
	write_entries(leaks, out);
	write_totals(leaks, out);
	report_text__write_notes(leaks, out);
	write_check(&leaks->selfcheck, out);
	fputc('\n', out);
}

static void write_all_totals(const struct report *report, FILE *out)
{
	uint64_t bytes = 0, blocks = 0;
	size_t nr_leaking = 0;

	for (size_t i = 0; i < report->nr_processes; i++) {
		bytes += report->processes[i].sums.of[COST_LIVE].bytes;
		blocks += report->processes[i].sums.of[COST_LIVE].blocks;
		nr_leaking += report->processes[i].sums.of[COST_LIVE].blocks > 0;
	}
	fprintf(out,
		"All %zu processes: %" PRIu64 " bytes live in %" PRIu64 " block%s, in %zu of "
		"them.\n",
		report->nr_processes, bytes, blocks, blocks == 1 ? "" : "s", nr_leaking);
}

void leaks_text__write(const struct report *report, FILE *out)
{
	const struct process_report *only = &report->processes[0];
	bool in_list = false;

	if (report->nr_processes == 1) {
		write_entries(only, out);
		write_totals(only, out);
		report_text__write_lost(report->model, out);
		report_text__write_notes(only, out);
		write_check(&only->selfcheck, out);
		return;
	}
	for (size_t i = 0; i < report->nr_processes; i++)
		write_process(&report->processes[i], &in_list, out);
	if (in_list)
		fputc('\n', out);
	write_all_totals(report, out);
	report_text__write_lost(report->model, out);
}
