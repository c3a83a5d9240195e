// SPDX-License-Identifier: BSD-2-Clause
/* The help command, and the help of all others. */
#include "cmd/help.h"

#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/suggest.h"
#include "export/view.h"

#define WIDTH	  80
#define TEXT_AT	  2  /* columns before a paragraph */
#define OPTION_AT 10 /* columns before what an option does */
#define LIST_AT	  15 /* columns before what a view or a format is */

const char *const help_forms[][HELP_MAX_FORMS] = {
	[CMD_OPERANDS_NONE] = { "[OPTION]..." },
	[CMD_OPERANDS_TARGET] = { "[OPTION]... -p PID", "[OPTION]... -- COMMAND [ARG]..." },
	[CMD_OPERANDS_TARGET_OR_FILE] = { "[OPTION]... -p PID", "[OPTION]... -- COMMAND [ARG]...",
					  "[OPTION]... FILE" },
	[CMD_OPERANDS_TARGET_OR_FILES] = { "[OPTION]... -p PID", "[OPTION]... -- COMMAND [ARG]...",
					   "[OPTION]... FILE" },
	[CMD_OPERANDS_WORD] = { "[OPTION]... [NAME]" },
	[CMD_OPERANDS_ADDRESS] = { "[OPTION]... [HOST]:PORT" },
	[CMD_OPERANDS_FILE] = { "[OPTION]... FILE" },
	[CMD_OPERANDS_COMMAND] = { "[OPTION]... -p PID", "[OPTION]... -- COMMAND [ARG]..." },
};

/* Words that fill lines. */
struct fill {
	FILE *out;
	int indent;
	int column; /* 0: at the beginning of a line */
};

static void fill__words(struct fill *fill, const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		int word = (int)strcspn(text, " \n");

		if (word > end - text)
			word = (int)(end - text);
		if (fill->column && fill->column + 1 + word > WIDTH) {
			fputc('\n', fill->out);
			fill->column = 0;
		}
		if (word && fill->column)
			fill->column += fprintf(fill->out, " %.*s", word, text);
		else if (word)
			fill->column = fprintf(fill->out, "%*s%.*s", fill->indent, "", word, text);
		text += word + 1;
	}
}

static void fill__end(struct fill *fill)
{
	if (fill->column)
		fputc('\n', fill->out);
	fill->column = 0;
}

/* A line is a paragraph, with an empty line behind it; those that begin with a blank stay together,
 * as they are. */
static void print_about(FILE *out, const char *about)
{
	struct fill fill = { .out = out, .indent = TEXT_AT };

	while (*about) {
		size_t length = strcspn(about, "\n");
		bool kept = *about == ' ';

		if (kept)
			fprintf(out, "%*s%.*s\n", TEXT_AT, "", (int)length, about);
		else
			fill__words(&fill, about, length);
		fill__end(&fill);
		about += length;
		about += strspn(about, "\n");
		if (*about && !(kept && *about == ' '))
			fputc('\n', out);
	}
}

static void print_list(FILE *out, const struct cmd_list *list)
{
	struct fill fill = { .out = out, .indent = LIST_AT };

	if (list->title)
		fprintf(out, "\n%s:\n", list->title);
	for (size_t i = 0; list->title && i < *list->nr; i++) {
		fill.column = fprintf(out, "  %-*s", LIST_AT - 3, list->all[i]->name);
		fill__words(&fill, list->all[i]->help, strlen(list->all[i]->help));
		fill__end(&fill);
	}
}

static void print_option(FILE *out, const struct opt *opt)
{
	struct fill fill = { .out = out, .indent = OPTION_AT };

	fputs("  ", out);
	if (opt->letter)
		fprintf(out, "-%c, ", opt->letter);
	fprintf(out, "--%s%s%s\n", opt->name, opt->arg ? " " : "", opt->arg ? opt->arg : "");
	fill__words(&fill, opt->help, strlen(opt->help));
	fill__end(&fill);
}

bool help__next_example(const char **examples, struct help_example *example)
{
	const char *line = *examples, *gap;
	size_t length = strcspn(line, "\n");

	if (!length)
		return false;
	*examples += length + (line[length] == '\n');
	*example = (struct help_example){ .command = line, .command_length = length };
	gap = memmem(line, length, "  ", 2);
	if (!gap)
		return true;
	example->command_length = (size_t)(gap - line);
	example->what = gap + strspn(gap, " ");
	example->what_length = (size_t)(line + length - example->what);
	return true;
}

static void print_examples(FILE *out, const struct cmd *cmd)
{
	struct fill fill = { .out = out, .indent = OPTION_AT };
	const char *examples = cmd->examples ? cmd->examples : "";
	struct help_example example;

	if (*examples)
		fputs("\nExamples:\n", out);
	while (help__next_example(&examples, &example)) {
		fprintf(out, "  %.*s\n", (int)example.command_length, example.command);
		if (example.what)
			fill__words(&fill, example.what, example.what_length);
		fill__end(&fill);
	}
}

/* A command's name and what it does; names are short enough to stand in one column. */
static void print_summary(FILE *out, const char *before, const struct cmd *cmd)
{
	struct fill fill = { .out = out };

	fill.column = fill.indent = fprintf(out, "%s%-9s", before, cmd->name);
	fill__words(&fill, cmd->summary, strlen(cmd->summary));
	fill__end(&fill);
}

void help__command(FILE *out, const struct cmd *cmd)
{
	const char *const *form = help_forms[cmd->operands];

	print_summary(out, "heaptap ", cmd);
	fputc('\n', out);
	for (size_t i = 0; i < HELP_MAX_FORMS && form[i]; i++)
		fprintf(out, "%s heaptap %s %s\n", i ? "      " : "Usage:", cmd->name, form[i]);
	if (cmd->about) {
		fputc('\n', out);
		print_about(out, cmd->about);
	}
	print_list(out, &cmd->list);
	fputs("\nOptions:\n", out);
	for (size_t i = 0; i < nr_opts; i++)
		if (opts[i].cmds & cmd->bit)
			print_option(out, &opts[i]);
	print_examples(out, cmd);
}

void help__overview(FILE *out)
{
	fputs("heaptap watches the heap of a running process from outside.\n\n"
	      "Usage: heaptap COMMAND [OPTION]...\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < nr_cmds; i++)
		print_summary(out, "  ", cmds[i]);
	fputs("\nEach view of report is a command, too:", out);
	for (size_t i = 0; i < nr_views; i++)
		fprintf(out, " %s", views[i]->name);
	fputs("\n\nA first try, as root, on a process that seems to leak:\n"
	      "  heaptap leaks -p PID -d 60 --older 30\n\n"
	      "heaptap help COMMAND explains one command, heaptap --version says which version\n"
	      "this is.\n",
	      out);
}

void help__blame_unknown(const char *name)
{
	struct suggest suggest = { .word = name };

	for (size_t i = 0; i < nr_cmds; i++)
		suggest__offer(&suggest, cmds[i]->name);
	if (suggest.nearest)
		log_err("There is no command '%s'. Did you mean: heaptap %s", name,
			suggest.nearest);
	else
		log_err("There is no command '%s'. All commands are listed by: heaptap help", name);
}

static int run(const struct options *options)
{
	const struct cmd *cmd = options->file ? cmd__find(options->file) : NULL;

	if (!cmd && options->file && view__find(options->file))
		cmd = &cmd_report;

	if (options->man) {
		help__man(stdout);
	} else if (options->bash_completion) {
		help__bash(stdout);
	} else if (cmd) {
		help__command(stdout, cmd);
	} else if (options->file) {
		help__blame_unknown(options->file);
		return EXIT_USAGE;
	} else {
		help__overview(stdout);
	}
	return EXIT_DONE;
}

const struct cmd cmd_help = {
	.name = "help",
	.bit = CMD_HELP,
	.operands = CMD_OPERANDS_WORD,
	.summary = "Explain a command.",
	.about = "Without NAME it lists the commands, with NAME it explains one of them.",
	.examples = "heaptap help leaks   everything about heaptap leaks\n"
		    "heaptap help --man | man -l -   read the man page without installing it\n",
	.run = run,
};
