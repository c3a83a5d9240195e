// SPDX-License-Identifier: BSD-2-Clause
/*
 * Positions are lines only. Both readers show instructions next to a disassembly, and what is known
 * here are return addresses, which are no instruction of a call; callgrind_annotate knows lines
 * only.
 *
 * A function that was inlined is a function like others, called by the one it was inlined into.
 */
#include "export/callgrind_text.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/keyset.h"
#include "base/text.h"
#include "base/util.h"
#include "export/report_text.h"
#include "export/time_text.h"

/* Names come with their number where they are met first, and then never again. */
struct names {
	bool *function_said;
	struct keyset files, objects; /* addresses of texts: equal texts of a graph are one */
	const struct call_function *functions;
	FILE *out;
};

static void write_header(const struct callgrind_head *head, FILE *out)
{
	const struct model *model = head->model;
	const struct process *process = head->process;
	char began[TIME_TEXT_MAX];

	fputs("# callgrind format\nversion: 1\ncreator: heaptap " HEAPTAP_VERSION "\n", out);
	fprintf(out, "pid: %" PRIu32 "\ncmd: ", process->pid);
	text__print(out, process->cmdline && *process->cmdline ? process->cmdline
			 : process->exe			       ? process->exe
							       : "(unknown)");
	fprintf(out, "\npart: 1\ndesc: Cost: %s\n", head->cost);
	if (process->exe) {
		fputs("desc: Program: ", out);
		text__print(out, process->exe);
		fputc('\n', out);
	}
	if (process->parent)
		fprintf(out, "desc: Forked by: %" PRIu32 "\n", process->parent);
	time_text__utc(began, anchor__realtime_ns(&model->anchor, model->start_ns));
	fprintf(out, "desc: Watched from: %s\n", began);
	fprintf(out, "desc: Watched for: %.3f s\n",
		(double)(model->end_ns - min(model->start_ns, model->end_ns)) / 1e9);
	if (model->sample_bytes) {
		char *sampled = report_text__sampled(model->sample_bytes);

		fprintf(out, "desc: Sampled: %s\n", sampled);
		free(sampled);
	}
	fprintf(out, "desc: Lost events: %" PRIu64 "\n", model->nr_lost);
	if (head->nr_not_shown)
		fprintf(out,
			"desc: Left out: %zu entries, %" PRIu64 " bytes in %" PRIu64 " blocks\n",
			head->nr_not_shown, head->not_shown.bytes, head->not_shown.blocks);
	fputs("positions: line\nevents: Bytes Blocks\n", out);
}

/* prefix: in front of the text. */
static void write_reference(struct names *names, const char *key, struct keyset *set,
			    const char *prefix, const char *text)
{
	size_t nr_known = set->nr, number = keyset__add(set, &text);

	fprintf(names->out, "%s=(%zu)", key, number + 1);
	if (number == nr_known)
		fprintf(names->out, " %s%s", prefix, text);
	fputc('\n', names->out);
}

/* Three lines: its object, its file, its name. */
static void write_function(struct names *names, uint32_t number, bool called)
{
	const struct call_function *function = &names->functions[number];
	const char *prefix = function->file[0] == '/' ? "/." : "";

	write_reference(names, called ? "cob" : "ob", &names->objects, "", function->object);
	/* callgrind_annotate takes its current folder off the files of callers and not of callees,
	 * and then takes one function for two: what does not begin with it is safe. */
	write_reference(names, called ? "cfi" : "fl", &names->files, prefix, function->file);
	fprintf(names->out, "%s=(%" PRIu32 ")", called ? "cfn" : "fn", number + 1);
	if (!names->function_said[number])
		fprintf(names->out, " %s", function->name);
	names->function_said[number] = true;
	fputc('\n', names->out);
}

static void write_line(struct names *names, const struct call_line *line)
{
	if (line->callee != CALL_SELF) {
		write_function(names, line->callee, true);
		fprintf(names->out, "calls=%" PRIu64 " %" PRIu32 "\n", line->nr_calls,
			names->functions[line->callee].line);
	}
	fprintf(names->out, "%" PRIu32 " %" PRIu64 " %" PRIu64 "\n", line->line, line->cost.bytes,
		line->cost.blocks);
}

void callgrind_text__write(struct call_graph *graph, const struct callgrind_head *head, FILE *out)
{
	size_t nr_lines, nr_functions;
	const struct call_line *lines = call_graph__lines(graph, &nr_lines);
	struct amount sum = call_graph__sum(graph);
	struct names names = { .functions = call_graph__functions(graph, &nr_functions),
			       .files.key_size = sizeof(void *),
			       .objects.key_size = sizeof(void *),
			       .out = out };

	names.function_said = xcalloc(nr_functions, sizeof(bool));
	write_header(head, out);
	fprintf(out, "summary: %" PRIu64 " %" PRIu64 "\n", sum.bytes, sum.blocks);
	for (size_t i = 0; i < nr_lines; i++) {
		if (!i || lines[i].function != lines[i - 1].function) {
			fputc('\n', out);
			write_function(&names, lines[i].function, false);
		}
		write_line(&names, &lines[i]);
	}
	fprintf(out, "\ntotals: %" PRIu64 " %" PRIu64 "\n", sum.bytes, sum.blocks);
	keyset__clear(&names.files);
	keyset__clear(&names.objects);
	free(names.function_said);
}
