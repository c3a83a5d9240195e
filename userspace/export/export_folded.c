// SPDX-License-Identifier: BSD-2-Clause
/*
 * Brendan Gregg's folded stacks, for flamegraph.pl and its kin: a line a stack, outermost frame
 * first, frames separated by semicolons, then a blank and the bytes. With several processes, the
 * process is the outermost frame.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "export/report_state.h"
#include "export/report_text.h"

/* A number behind a blank would be taken for another column of the line. */
static void hide_number(char *name)
{
	char *blank = strrchr(name, ' ');

	if (blank && blank[strspn(blank + 1, "0123456789.") + 1] == '\0')
		*blank = '_';
}

/* Semicolons and ends of lines are the format's own. */
static void write_name(const char *name, FILE *out)
{
	char *copy = xstrdup(name[strspn(name, " ")] ? name : "??");

	text__strip_controls(copy);
	for (char *c = copy; *c; c++)
		if (*c == ';')
			*c = ':';
	hide_number(copy);
	fputs(copy, out);
	free(copy);
}

static void write_frame(const struct frame *frame, FILE *out)
{
	if (frame->function) {
		write_name(frame->function, out);
	} else if (frame->module) {
		write_name(path__base(frame->module->path), out);
		fprintf(out, "+0x%" PRIx64, frame->offset);
	} else {
		fprintf(out, "0x%" PRIx64, frame->address);
	}
}

static void write_entry(const struct report *report, const struct process_report *process,
			const struct report_entry *entry, FILE *out)
{
	const char *between = "";

	if (report->nr_processes > 1) {
		write_name(path__base(process->process->exe ? process->process->exe : "?"), out);
		fprintf(out, " (%" PRIu32 ")", process->process->pid);
		between = ";";
	}
	if (entry->cut) {
		fprintf(out, "%s(cut)", between);
		between = ";";
	}
	for (uint32_t i = entry->nr_frames; i-- > 0; between = ";") {
		fputs(between, out);
		write_frame(&entry->frames[i], out);
	}
	if (!entry->nr_frames)
		fprintf(out, "%s??", between);
	fprintf(out, " %" PRIu64 "\n", entry->costs.of[report->cost].bytes);
}

static int write_folded(void *state, FILE *out)
{
	const struct report *report = report_state__build(state);

	report_text__warn_sampled(report->model);
	for (size_t i = 0; i < report->nr_processes; i++)
		for (size_t k = 0; k < report->processes[i].nr_entries; k++)
			write_entry(report, &report->processes[i], &report->processes[i].entries[k],
				    out);
	return 0;
}

const struct view exporter_folded = {
	.name = "folded",
	.takes = VIEW_REPORT | VIEW_OLDER | VIEW_COST,
	.help = "folded stacks, for flame graphs",
	.begin = report_state__begin,
	.write = write_folded,
	.nr_entries = report_state__nr_entries,
	.free = report_state__free,
};
