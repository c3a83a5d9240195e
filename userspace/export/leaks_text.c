// SPDX-License-Identifier: BSD-2-Clause
/* The block of OpenBSD's mdump (its users' scripts read it): a head line, a line a frame, an empty
 * one. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/text.h"
#include "base/util.h"
#include "export/export.h"
#include "wire.h"

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

static void write_entry(const struct leaks *leaks, const struct leak *entry, FILE *out)
{
	fprintf(out, "Leak sum=%" PRIu64 " count=%" PRIu64 " avg=%" PRIu64, entry->bytes,
		entry->blocks, entry->bytes / entry->blocks);
	if (leaks->nr_families > 1) {
		fputs(" family=", out);
		text__print(out, entry->family);
	}
	fputc('\n', out);
	leaks_text__write_frames(entry->frames, entry->nr_frames, entry->cut, out);
	fputc('\n', out);
}

static void write_totals(const struct leaks *leaks, FILE *out)
{
	const struct heap_totals *totals = &leaks->totals;

	fprintf(out, "Live: %" PRIu64 " bytes in %" PRIu64 " block%s, peak %" PRIu64 " bytes.\n",
		leaks->leaked_bytes, leaks->leaked_blocks, leaks->leaked_blocks == 1 ? "" : "s",
		totals->peak_bytes);
	fprintf(out, "Allocations: %" PRIu64 " (%" PRIu64 " bytes), failed: %" PRIu64 ".\n",
		totals->allocations, totals->allocated_bytes, totals->failed_allocations);
	if (totals->inherited_blocks)
		fprintf(out, "Inherited at the fork: %" PRIu64 " bytes in %" PRIu64 " block%s.\n",
			totals->inherited_bytes, totals->inherited_blocks,
			totals->inherited_blocks == 1 ? "" : "s");
	fprintf(out, "Frees: %" PRIu64 ", of blocks older than the attach: %" PRIu64 ".\n",
		totals->frees, totals->unknown_frees);
	if (leaks->nr_hidden)
		fprintf(out, "Not shown: %zu more %s.\n", leaks->nr_hidden,
			leaks->nr_hidden == 1 ? "entry" : "entries");
}

static void write_losses(const struct model *model, FILE *out)
{
	fprintf(out, "Lost events: %" PRIu64 "%s\n", model->nr_lost,
		model->nr_lost ? " (the figures above are incomplete; --ring-size or "
				 "--lossless helps)."
			       : ".");
}

/* How it ended, for people. */
static void write_end(const struct process *process, FILE *out)
{
	int status = (int)process->end_status;

	if (!process->ended || process->end_reason != WIRE_END_EXITED)
		fputs("still running", out);
	else if (WIFSIGNALED(status))
		fprintf(out, "killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		fprintf(out, "exited with status %d", WEXITSTATUS(status));
	else
		fputs("ended", out);
}

static void write_heading(const struct process *process, FILE *out)
{
	fprintf(out, "Process %" PRIu32, process->pid);
	if (process->parent)
		fprintf(out, ", child of %" PRIu32, process->parent);
	fputs(", ", out);
	write_end(process, out);
	fputs(": ", out);
	text__print(out, process->cmdline && *process->cmdline ? process->cmdline
			 : process->exe			       ? process->exe
							       : "??");
}

/* Of a process that did nothing with its heap a line is enough. */
static bool is_idle(const struct leaks *leaks)
{
	const struct heap_totals *totals = &leaks->totals;

	return !totals->allocations && !totals->frees && !totals->unknown_frees &&
	       !totals->failed_allocations;
}

static void write_one_of_many(const struct leaks *leaks, FILE *out)
{
	write_heading(leaks->process, out);
	if (is_idle(leaks)) {
		fputs(": allocated nothing.\n\n", out);
		return;
	}
	fputs("\n------------------------------------------------------------------------\n", out);
	for (size_t i = 0; i < leaks->nr_entries; i++)
		write_entry(leaks, &leaks->entries[i], out);
	write_totals(leaks, out);
	fputc('\n', out);
}

void leaks_text__write(const struct leaks *const *leaks, size_t nr, FILE *out)
{
	if (nr > 1) {
		for (size_t i = 0; i < nr; i++)
			write_one_of_many(leaks[i], out);
		fprintf(out, "Processes: %zu.\n", nr);
	} else if (nr) {
		for (size_t i = 0; i < leaks[0]->nr_entries; i++)
			write_entry(leaks[0], &leaks[0]->entries[i], out);
		write_totals(leaks[0], out);
	}
	if (nr)
		write_losses(leaks[0]->model, out);
}
