// SPDX-License-Identifier: BSD-2-Clause
#include "export/report_text.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "base/util.h"

void report_text__write_frame(const struct frame *frame, FILE *out)
{
	text__print(out, frame->function ? frame->function : "??");
	fputs(" at ", out);
	if (frame->file && frame->line) {
		text__print(out, path__base(frame->file));
		fprintf(out, ":%" PRIu32, frame->line);
	} else if (frame->module) {
		text__print(out, path__base(frame->module->path));
		fprintf(out, "+0x%" PRIx64, frame->offset);
	} else {
		fprintf(out, "0x%" PRIx64, frame->address);
	}
}

void report_text__write_frames(const struct frame *frames, uint32_t nr_frames, bool cut, FILE *out)
{
	for (uint32_t i = 0; i < nr_frames; i++) {
		fputc(' ', out);
		report_text__write_frame(&frames[i], out);
		fputc('\n', out);
	}
	if (cut)
		fputs(" (the outer frames are missing)\n", out);
}

char *report_text__sampled(uint32_t sample_bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB" };
	unsigned unit = 0;

	for (; sample_bytes && sample_bytes % 1024 == 0; unit++)
		sample_bytes /= 1024;
	return xasprintf("about one allocation per %" PRIu32 " %s was recorded; bytes and blocks "
			 "are estimates",
			 sample_bytes, units[unit]);
}

static const char snapshot_text[] =
	"A snapshot: only what was live then; frees and totals are not in it.";

void report_text__write_sampled(const struct model *model, FILE *out)
{
	char *text = report_text__sampled(model->sample_bytes);

	if (model->sample_bytes)
		fprintf(out, "Sampled: %s.\n", text);
	if (model->is_snapshot)
		fprintf(out, "%s\n", snapshot_text);
	free(text);
}

void report_text__warn_sampled(const struct model *model)
{
	char *text = report_text__sampled(model->sample_bytes);

	if (model->sample_bytes)
		log_warn("Sampled: %s.", text);
	if (model->is_snapshot)
		log_warn("%s", snapshot_text);
	free(text);
}

void report_text__write_temporary(const struct model *model, FILE *out)
{
	if (model->sample_bytes)
		fputs("Temporary is too high: a block counts when nothing was recorded between its "
		      "allocation and its free.\n",
		      out);
}

void report_text__write_lost(const struct model *model, FILE *out)
{
	report_text__write_sampled(model, out);
	fprintf(out, "Lost events: %" PRIu64 "%s\n", model->nr_lost,
		model->nr_lost ? " (the figures above are incomplete; --ring-size or "
				 "--lossless helps)."
			       : ".");
}

void report_text__write_notes(const struct process_report *process, FILE *out)
{
	for (size_t i = 0; i < process->nr_rules; i++) {
		const struct suppressed *by = &process->rules[i];

		fprintf(out, "Suppressed: %" PRIu64 " bytes in %" PRIu64 " block%s by rule ",
			by->amount.bytes, by->amount.blocks, by->amount.blocks == 1 ? "" : "s");
		text__print(out, by->rule);
		fputs(".\n", out);
	}
	if (process->nr_hidden)
		fprintf(out, "Not shown: %zu more %s.\n", process->nr_hidden,
			process->nr_hidden == 1 ? "entry" : "entries");
}
