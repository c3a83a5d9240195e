// SPDX-License-Identifier: BSD-2-Clause
/* heaptap(1), from the tables. man(7) macros only, so that groff and mandoc both take it. */
#include <string.h>

#include "base/util.h"
#include "cmd/help.h"

/* When it was last gone over; groff and mandoc show it at the foot. */
#define MANUAL_DATE "2026-11-20"

/* Source lines of filled text end at the first space behind this column. */
#define FILL_COLUMN 68

/* Text for roff: no control line by accident, dashes that can be copied into a shell. */
static void put_text(FILE *out, const char *text, size_t length, bool filled)
{
	unsigned column = 0;

	for (; length && *text; text++, length--) {
		if (!column && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		column++;
		if (filled && *text == ' ' && column > FILL_COLUMN) {
			fputc('\n', out);
			column = 0;
		} else if (*text == '\\') {
			fputs("\\e", out);
		} else if (*text == '-') {
			fputs("\\-", out);
		} else {
			fputc(*text, out);
		}
	}
}

static void put_string(FILE *out, const char *text)
{
	put_text(out, text, strlen(text), true);
}

/* A line of bold text. */
static void put_bold_line(FILE *out, const char *text, size_t length)
{
	fputs("\\fB", out);
	put_text(out, text, length, false);
	fputs("\\fR\n", out);
}

static void put_forms(FILE *out, const struct cmd *cmd)
{
	const char *const *form = help_forms[cmd->operands];

	for (size_t i = 0; i < HELP_MAX_FORMS && form[i]; i++) {
		fprintf(out, "\\fBheaptap %s\\fR ", cmd->name);
		put_string(out, form[i]);
		fputs("\n.br\n", out);
	}
}

/* A line is a paragraph; those that begin with a blank stay together, as they are. */
static void put_about(FILE *out, const char *about)
{
	bool kept = false;

	for (; *about; about += strspn(about, "\n")) {
		size_t length = strcspn(about, "\n");
		bool keep = *about == ' ';

		if (kept && !keep)
			fputs(".fi\n", out);
		if (!kept || !keep)
			fputs(".PP\n", out);
		if (keep && !kept)
			fputs(".nf\n", out);
		put_text(out, about, length, !keep);
		fputc('\n', out);
		kept = keep;
		about += length;
	}
	if (kept)
		fputs(".fi\n", out);
}

static void put_option(FILE *out, const struct opt *opt)
{
	const char *separator = "Taken by ";

	fputs(".TP\n", out);
	if (opt->letter)
		fprintf(out, "\\fB\\-%c\\fR, ", opt->letter);
	fputs("\\fB", out);
	put_string(out, "--");
	put_string(out, opt->name);
	fputs("\\fR", out);
	if (opt->arg)
		fprintf(out, " \\fI%s\\fR", opt->arg);
	fputc('\n', out);
	put_string(out, opt->help);
	fputs("\n.br\n", out);
	for (size_t i = 0; i < nr_cmds; i++) {
		if (!(opt->cmds & cmds[i]->bit))
			continue;
		fprintf(out, "%s%s", separator, cmds[i]->name);
		separator = ", ";
	}
	fputs(".\n", out);
}

static void put_examples(FILE *out, const struct cmd *cmd)
{
	const char *examples = cmd->examples ? cmd->examples : "";
	struct help_example example;

	while (help__next_example(&examples, &example)) {
		fputs(".TP\n", out);
		put_bold_line(out, example.command, example.command_length);
		put_text(out, example.what, example.what_length, true);
		fputc('\n', out);
	}
}

/* What no table knows. */
static const char description[] =
	".SH DESCRIPTION\n"
	"heaptap attaches to a running process, or starts one, and sees every\n"
	"call of the allocator (malloc, free and their relatives) by uprobes\n"
	"and BPF: without a restart, a rebuild or a preloaded library.\n"
	"It reports which memory is still live, and the stack that allocated\n"
	"it.\n"
	".PP\n"
	"Watching a process needs root, or the capabilities CAP_BPF,\n"
	"CAP_PERFMON, CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE.\n"
	"Reading a recording needs nothing.\n"
	".PP\n"
	"A report is a list of blocks like this one, the largest first:\n"
	".PP\n"
	".nf\n"
	"Leak sum=40960 count=10 avg=4096\n"
	" f at x.c:13\n"
	" main at x.c:26\n"
	".fi\n"
	".PP\n"
	"10 blocks, 40960 bytes together, were allocated by that stack,\n"
	"innermost function first, and had not been freed at the end.\n"
	"A line number is that of the call.\n"
	"The last paragraph sums up; its lost events say how far the rest can\n"
	"be trusted.\n";

static const char after_options[] =
	".SH EXIT STATUS\n"
	".TP\n0\nDone.\n"
	".TP\n1\nIt could not be done; a sentence on standard error says why.\n"
	".TP\n2\nThe command line was wrong.\n"
	".PP\n"
	"With \\fB\\-\\-\\fR \\fICOMMAND\\fR, leaks and record exit as COMMAND\n"
	"does: with its status, or 128 and the number of the signal that ended\n"
	"it.\n"
	"When there are leaks to report, \\fB\\-\\-error\\-exitcode\\fR goes\n"
	"before all that.\n"
	".SH FILES\n"
	".TP\n\\fINAME.PID\\fR.htap\nA recording, where \\fB\\-\\-output\\fR gives no other name.\n"
	".TP\n/usr/lib/debug\nWhere separate debug files are looked for first.\n"
	".SH ENVIRONMENT\n"
	".TP\nDEBUGINFOD_URLS\nServers asked with \\fB\\-\\-debuginfod\\fR, and only then.\n";

static const char end[] =
	".SH SEE ALSO\n"
	"\\fBbpftool\\fR(8), \\fBgdb\\fR(1), \\fBperf\\fR(1), \\fBvalgrind\\fR(1)\n";

void help__man(FILE *out)
{
	fputs(".TH HEAPTAP 1 " MANUAL_DATE " \"heaptap " HEAPTAP_VERSION "\" \"User Commands\"\n"
	      ".SH NAME\nheaptap \\- watch the heap of a process from outside\n"
	      ".SH SYNOPSIS\n.nh\n",
	      out);
	for (size_t i = 0; i < nr_cmds; i++)
		put_forms(out, cmds[i]);
	fputs("\\fBheaptap \\-\\-version\\fR\n.hy\n", out);
	fputs(description, out);
	fputs(".SH COMMANDS\n", out);
	for (size_t i = 0; i < nr_cmds; i++) {
		fprintf(out, ".SS heaptap %s\n", cmds[i]->name);
		put_string(out, cmds[i]->summary);
		fputc('\n', out);
		put_about(out, cmds[i]->about ? cmds[i]->about : "");
	}
	fputs(".SH OPTIONS\n", out);
	for (size_t i = 0; i < nr_opts; i++)
		put_option(out, &opts[i]);
	fputs(after_options, out);
	fputs(".SH EXAMPLES\n", out);
	for (size_t i = 0; i < nr_cmds; i++)
		put_examples(out, cmds[i]);
	fputs(end, out);
}
