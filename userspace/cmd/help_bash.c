// SPDX-License-Identifier: BSD-2-Clause
/* Completion for bash, from the tables. The bash-completion package is used where it is loaded, for
 * the traced command behind "--"; nothing depends on it. */
#include <string.h>

#include "base/util.h"
#include "cmd/help.h"
#include "export/view.h"

/* What compgen offers for an argument, by its name in the table; nothing for any other. */
static const struct {
	const char *arg, *compgen;
} kinds[] = {
	{ "FILE", "-f" },
	{ "DIR", "-d" },
	{ "PID", "-W \"$(cd /proc && echo [0-9]*)\"" },
};

/* What is offered for the operand, behind the options: more words, or files. */
static const char *const operands[] = {
	[CMD_OPERANDS_NONE] = "\"",
	[CMD_OPERANDS_TARGET] = "--\"",
	[CMD_OPERANDS_TARGET_OR_FILE] = "--\" -f",
	[CMD_OPERANDS_TARGET_OR_FILES] = "--\" -f",
	[CMD_OPERANDS_WORD] = "$commands\"",
	[CMD_OPERANDS_ADDRESS] = "\"",
	[CMD_OPERANDS_FILE] = "\" -f",
	[CMD_OPERANDS_COMMAND] = "--\"",
};

static const char head[] = "\tCOMPREPLY=()\n"
			   "\tif ((COMP_CWORD == 1)); then\n"
			   "\t\t_heaptap_offer -W \"$commands --help --version\"\n"
			   "\t\treturn\n"
			   "\tfi\n"
			   "\t# Behind -- stands a command with a completion of its own.\n"
			   "\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
			   "\t\t[[ ${COMP_WORDS[i]} == -- ]] || continue\n"
			   "\t\tif declare -F _command_offset >/dev/null; then\n"
			   "\t\t\t_command_offset $((i + 1))\n"
			   "\t\telse\n"
			   "\t\t\t_heaptap_offer -cf\n"
			   "\t\tfi\n"
			   "\t\treturn\n"
			   "\tdone\n";

static const char tail[] = "\tesac\n"
			   "}\n"
			   "complete -o filenames -F _heaptap heaptap\n";

/* Options that name one of a list. */
static const struct {
	const char *option;
	const struct view *const *all;
	const size_t *nr;
} lists[] = {
	{ "view", views, &nr_views },
	{ "format", exporters, &nr_exporters },
};

static const char *kind_of(const struct opt *opt)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(opt->arg, kinds[i].arg))
			return kinds[i].compgen;
	return NULL;
}

static void put_words(FILE *out, const struct opt *opt)
{
	fputs("_heaptap_offer -W '", out);
	for (const char *c = opt->arg; *c; c++)
		fputc(*c == '|' ? ' ' : *c, out);
	fputs("'; ", out);
}

static void put_list(FILE *out, const struct opt *opt)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (strcmp(opt->name, lists[i].option))
			continue;
		fputs("_heaptap_offer -W '", out);
		for (size_t k = 0; k < *lists[i].nr; k++)
			fprintf(out, "%s%s", k ? " " : "", lists[i].all[k]->name);
		fputs("'; ", out);
	}
}

/* Does the same letter mean something else elsewhere? */
static bool is_ambiguous(const struct opt *opt)
{
	for (size_t i = 0; i < nr_opts; i++)
		if (opts[i].letter == opt->letter && strcmp(opts[i].name, opt->name))
			return true;
	return false;
}

/* The word before is an option that takes an argument. */
static void put_arguments(FILE *out)
{
	fputs("\tcase $previous in\n", out);
	for (size_t i = 0; i < nr_opts; i++) {
		const char *compgen;

		if (!opts[i].arg)
			continue;
		compgen = kind_of(&opts[i]);
		fprintf(out, "\t--%s", opts[i].name);
		if (opts[i].letter && !is_ambiguous(&opts[i]))
			fprintf(out, "|-%c", opts[i].letter);
		fputs(") ", out);
		if (compgen)
			fprintf(out, "_heaptap_offer %s; ", compgen);
		else if (opts[i].type == OPT_WORD)
			put_words(out, &opts[i]);
		else
			put_list(out, &opts[i]);
		fputs("return ;;\n", out);
	}
	fputs("\tesac\n", out);
}

static void put_command(FILE *out, const struct cmd *cmd)
{
	fprintf(out, "\t%s", cmd->name);
	for (size_t i = 0; cmd == &cmd_report && i < nr_views; i++)
		if (!cmd__find(views[i]->name))
			fprintf(out, "|%s", views[i]->name);
	fputs(")\n\t\t_heaptap_offer -W \"", out);
	for (size_t i = 0; i < nr_opts; i++) {
		if (!(opts[i].cmds & cmd->bit))
			continue;
		if (opts[i].letter)
			fprintf(out, "-%c ", opts[i].letter);
		fprintf(out, "--%s ", opts[i].name);
	}
	fprintf(out, "%s ;;\n", operands[cmd->operands]);
}

void help__bash(FILE *out)
{
	fputs("# Completion of heaptap for bash; made by: heaptap help --bash-completion\n"
	      "_heaptap_offer()\n"
	      "{\n"
	      "\tmapfile -t COMPREPLY < <(compgen \"$@\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
	      "}\n\n"
	      "_heaptap()\n"
	      "{\n"
	      "\tlocal previous=${COMP_WORDS[COMP_CWORD - 1]} i\n"
	      "\tlocal commands='",
	      out);
	for (size_t i = 0; i < nr_cmds; i++)
		fprintf(out, "%s%s", i ? " " : "", cmds[i]->name);
	/* Views are commands, too; one is both. */
	for (size_t i = 0; i < nr_views; i++)
		if (!cmd__find(views[i]->name))
			fprintf(out, " %s", views[i]->name);
	fputs("'\n\n", out);
	fputs(head, out);
	put_arguments(out);
	fputs("\tcase ${COMP_WORDS[1]} in\n", out);
	for (size_t i = 0; i < nr_cmds; i++)
		put_command(out, cmds[i]);
	fputs(tail, out);
}
