// SPDX-License-Identifier: BSD-2-Clause
/* The block of OpenBSD's mdump (its users' scripts read it): a head line, a line a frame, an empty
 * one. */
#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "base/util.h"
#include "export/export.h"

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

static void write_entry(const struct leak *entry, FILE *out)
{
	fprintf(out, "Leak sum=%" PRIu64 " count=%" PRIu64 " avg=%" PRIu64 "\n", entry->bytes,
		entry->blocks, entry->bytes / entry->blocks);
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
	fprintf(out, "Frees: %" PRIu64 ", of blocks older than the attach: %" PRIu64 ".\n",
		totals->frees, totals->unknown_frees);
	fprintf(out, "Lost events: %" PRIu64 "%s\n", leaks->model->nr_lost,
		leaks->model->nr_lost ? " (the figures above are incomplete; --ring-size or "
					"--lossless helps)."
				      : ".");
	if (leaks->nr_hidden)
		fprintf(out, "Not shown: %zu more %s.\n", leaks->nr_hidden,
			leaks->nr_hidden == 1 ? "entry" : "entries");
}

void leaks_text__write(const struct leaks *leaks, FILE *out)
{
	for (size_t i = 0; i < leaks->nr_entries; i++)
		write_entry(&leaks->entries[i], out);
	write_totals(leaks, out);
}
