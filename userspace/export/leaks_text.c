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

static void write_frame(const struct leak_frame *frame, FILE *out)
{
	fputc(' ', out);
	text__print(out, frame->function ? frame->function : "??");
	fputs(" at ", out);
	if (frame->file && frame->line) {
		text__print(out, path__base(frame->file));
		fprintf(out, ":%" PRIu32 "\n", frame->line);
	} else if (frame->module) {
		text__print(out, path__base(frame->module));
		fprintf(out, "+0x%" PRIx64 "\n", frame->offset);
	} else {
		fprintf(out, "0x%" PRIx64 "\n", frame->address);
	}
}

void leaks_text__write_frames(const struct leak_frame *frames, uint32_t nr_frames, bool cut,
			      FILE *out)
{
	for (uint32_t i = 0; i < nr_frames; i++)
		write_frame(&frames[i], out);
	if (cut)
		fputs(" (the outer frames are missing)\n", out);
}

/* Where all is the C library's, as most often, nobody has to be told. */
static bool shows_families(const struct leaks *leaks)
{
	return leaks->nr_families > 1 || (leaks->nr_families && !leaks->families[0].of_libc);
}

static void write_entry(const struct leak *entry, bool family, FILE *out)
{
	fprintf(out, "Leak sum=%" PRIu64 " count=%" PRIu64 " avg=%" PRIu64, entry->bytes,
		entry->blocks, entry->bytes / entry->blocks);
	if (family) {
		fputs(" family=", out);
		text__print(out, entry->family ? entry->family : "?");
	}
	fputc('\n', out);
	leaks_text__write_frames(entry->frames, entry->nr_frames, entry->cut, out);
	fputc('\n', out);
}

static void write_families(const struct leaks *leaks, FILE *out)
{
	for (size_t i = 0; i < leaks->nr_families; i++) {
		const struct leak_family *family = &leaks->families[i];

		fputs(i ? ", " : "By family: ", out);
		text__print(out, family->name ? family->name : "?");
		fprintf(out, " %" PRIu64 " bytes in %" PRIu64 " block%s", family->bytes,
			family->blocks, family->blocks == 1 ? "" : "s");
	}
	fputs(".\n", out);
}

static void write_totals(const struct leaks *leaks, FILE *out)
{
	const struct heap_totals *totals = &leaks->totals;

	fprintf(out, "Live: %" PRIu64 " bytes in %" PRIu64 " block%s, peak %" PRIu64 " bytes.\n",
		leaks->leaked_bytes, leaks->leaked_blocks, leaks->leaked_blocks == 1 ? "" : "s",
		totals->peak_bytes);
	if (leaks->nr_families > 1)
		write_families(leaks, out);
	if (totals->inherited_blocks)
		fprintf(out, "Inherited by fork: %" PRIu64 " bytes in %" PRIu64 " block%s.\n",
			totals->inherited_bytes, totals->inherited_blocks,
			totals->inherited_blocks == 1 ? "" : "s");
	fprintf(out, "Allocations: %" PRIu64 " (%" PRIu64 " bytes), failed: %" PRIu64 ".\n",
		totals->allocations, totals->allocated_bytes, totals->failed_allocations);
	fprintf(out, "Frees: %" PRIu64 ", of blocks older than the attach: %" PRIu64 ".\n",
		totals->frees, totals->unknown_frees);
}

static void write_lost(const struct model *model, FILE *out)
{
	fprintf(out, "Lost events: %" PRIu64 "%s\n", model->nr_lost,
		model->nr_lost ? " (the figures above are incomplete; --ring-size or "
				 "--lossless helps)."
			       : ".");
}

static void write_hidden(const struct leaks *leaks, FILE *out)
{
	if (leaks->nr_hidden)
		fprintf(out, "Not shown: %zu more %s.\n", leaks->nr_hidden,
			leaks->nr_hidden == 1 ? "entry" : "entries");
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

static void write_entries(const struct leaks *leaks, FILE *out)
{
	bool family = shows_families(leaks);

	for (size_t i = 0; i < leaks->nr_entries; i++)
		write_entry(&leaks->entries[i], family, out);
}

/* A process among several. One that allocated nothing itself and leaves nothing gets a line, not a
 * block. */
static void write_process(const struct leaks *leaks, bool *in_list, FILE *out)
{
	const struct process *process = leaks->process;
	bool idle = !leaks->leaked_blocks && !leaks->selfcheck.suspicious &&
		    leaks->totals.allocations == leaks->totals.inherited_allocations;
	unsigned width;

	/* Lines follow each other; blocks stand apart. */
	if (!idle && *in_list)
		fputc('\n', out);
	width = process_text__write(process, out);
	*in_list = idle;
	if (idle) {
		fputs(": no allocations.\n", out);
		return;
	}
	fputc('\n', out);
	for (unsigned i = 0; i < width; i++)
		fputc('=', out);
	fputs("\n\n", out);
	write_entries(leaks, out);
	write_totals(leaks, out);
	write_hidden(leaks, out);
	write_check(&leaks->selfcheck, out);
	fputc('\n', out);
}

static void write_all_totals(const struct leaks_report *report, FILE *out)
{
	uint64_t bytes = 0, blocks = 0;
	size_t nr_leaking = 0;

	for (size_t i = 0; i < report->nr_processes; i++) {
		bytes += report->processes[i].leaked_bytes;
		blocks += report->processes[i].leaked_blocks;
		nr_leaking += report->processes[i].leaked_blocks > 0;
	}
	fprintf(out,
		"All %zu processes: %" PRIu64 " bytes live in %" PRIu64 " block%s, in %zu of "
		"them.\n",
		report->nr_processes, bytes, blocks, blocks == 1 ? "" : "s", nr_leaking);
}

void leaks_text__write(const struct leaks_report *report, FILE *out)
{
	const struct leaks *only = &report->processes[0];
	bool in_list = false;

	if (report->nr_processes == 1) {
		write_entries(only, out);
		write_totals(only, out);
		write_lost(report->model, out);
		write_hidden(only, out);
		write_check(&only->selfcheck, out);
		return;
	}
	for (size_t i = 0; i < report->nr_processes; i++)
		write_process(&report->processes[i], &in_list, out);
	if (in_list)
		fputc('\n', out);
	write_all_totals(report, out);
	write_lost(report->model, out);
}
