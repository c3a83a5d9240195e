// SPDX-License-Identifier: BSD-2-Clause
/* A command line against the table of opts.c: getopt_long finds the words, the rows their sense. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/opt_value.h"
#include "cmd/opts.h"
#include "cmd/suggest.h"

/* getopt's code of a long option: its row, out of the way of letters. */
#define LONG_CODE 0x100

struct parse {
	const struct cmd *cmd;
	int argc;
	char **argv;
	struct options *options;
	int at;	     /* the word getopt is at */
	int operand; /* where the first operand is; 0: none so far */
};

/* Appends a word and a space; what does not fit is left out, for this is only ever a hint. */
static void add_word(char *text, size_t size, const char *word)
{
	size_t used = strlen(text);

	if (used + strlen(word) + 2 <= size)
		snprintf(text + used, size - used, " %s", word);
}

/* The line somebody meant who forgot the "--" in front of a command. */
static void hint_at_dashes(const struct parse *parse)
{
	char text[512] = "heaptap";

	for (int i = 0; i < parse->argc; i++) {
		if (i == parse->operand)
			add_word(text, sizeof(text), "--");
		add_word(text, sizeof(text), parse->argv[i]);
	}
	log_err("To trace a command put -- in front of it: %s", text);
}

static bool takes_command(const struct cmd *cmd)
{
	return cmd->operands == CMD_OPERANDS_TARGET ||
	       cmd->operands == CMD_OPERANDS_TARGET_OR_FILE ||
	       cmd->operands == CMD_OPERANDS_TARGET_OR_FILES ||
	       cmd->operands == CMD_OPERANDS_COMMAND;
}

/* FILE, FILE2 or 0xADDRESS, in any order. */
static int take_report_operand(struct parse *parse, const char *word)
{
	struct options *options = parse->options;

	if (!strncmp(word, "0x", 2) && !options->address &&
	    !parse__u64(word, UINT64_MAX, &options->address) && options->address)
		return 0;
	if (!options->file)
		options->file = word;
	else if (!options->other_file)
		options->other_file = word;
	else
		return -EINVAL;
	return 0;
}

static int take_operand(struct parse *parse, const char *word)
{
	const struct cmd *cmd = parse->cmd;
	/* What the one operand of a command is called. */
	static const char *const ones[] = { [CMD_OPERANDS_TARGET_OR_FILE] = "FILE",
					    [CMD_OPERANDS_WORD] = "name",
					    [CMD_OPERANDS_FILE] = "FILE",
					    [CMD_OPERANDS_ADDRESS] = "[HOST]:PORT" };
	const char *one = cmd->operands < ARRAY_SIZE(ones) ? ones[cmd->operands] : NULL;

	if (!parse->operand)
		parse->operand = parse->at;
	if (cmd->operands == CMD_OPERANDS_TARGET_OR_FILES && !take_report_operand(parse, word))
		return 0;
	if (one && !parse->options->file) {
		parse->options->file = word;
		return 0;
	}
	if (one)
		log_err("heaptap %s takes one %s; '%s' is one too many.", cmd->name, one, word);
	else
		log_err("heaptap %s has no use for the word '%s'.", cmd->name, word);
	if (takes_command(cmd))
		hint_at_dashes(parse);
	return -EINVAL;
}

/* Somebody else's option: "heaptap record does not take --top; heaptap leaks does." */
static bool blame_other_command(const struct cmd *cmd, const struct opt *opt)
{
	for (size_t i = 0; i < nr_cmds; i++)
		if (opt->cmds & cmds[i]->bit) {
			log_err("heaptap %s does not take --%s; heaptap %s does.", cmd->name,
				opt->name, cmds[i]->name);
			return true;
		}
	return false;
}

static bool is_named(const struct opt *opt, const char *word, size_t length)
{
	if (word[0] != '-')
		return false;
	if (word[1] != '-')
		return opt->letter && opt->letter == word[1];
	return strlen(opt->name) == length - 2 && !strncmp(opt->name, word + 2, length - 2);
}

static int blame_unknown(const struct parse *parse, int letter)
{
	const char *word = parse->argv[parse->at];
	char typed[3] = { '-', (char)letter, '\0' }, name[64];
	struct suggest suggest = { .word = name };

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	for (size_t i = 0; i < nr_opts; i++)
		if (is_named(&opts[i], letter ? typed : name, letter ? 2 : strlen(name)) &&
		    blame_other_command(parse->cmd, &opts[i]))
			return -EINVAL;
	/* "-json" is -j -s -o -n to getopt, --json to the person. */
	suggest.word += strspn(name, "-");
	for (size_t i = 0; i < nr_opts; i++)
		if ((opts[i].cmds & parse->cmd->bit) && strlen(suggest.word) > 1)
			suggest__offer(&suggest, opts[i].name);
	log_err("heaptap %s does not know the option %s.%s%s%s", parse->cmd->name,
		letter && !suggest.nearest ? typed : name,
		suggest.nearest ? " Did you mean --" : "", suggest.nearest ? suggest.nearest : "",
		suggest.nearest ? "?" : "");
	if (parse->operand && takes_command(parse->cmd))
		hint_at_dashes(parse);
	else
		log_err("Its options are listed by: heaptap help %s", parse->cmd->name);
	return -EINVAL;
}

static const struct opt *by_code(const struct cmd *cmd, int code)
{
	if (code >= LONG_CODE)
		return &opts[code - LONG_CODE];
	for (size_t i = 0; i < nr_opts; i++)
		if (opts[i].letter == code && (opts[i].cmds & cmd->bit))
			return &opts[i];
	return NULL;
}

/* One code of getopt_long. */
static int take(struct parse *parse, int code)
{
	const char *next = NULL;
	const struct opt *opt;

	if (code == 1)
		return take_operand(parse, optarg);
	if (code == ':') {
		opt = by_code(parse->cmd, optopt);
		log_err("%s takes an argument, %s, and there is none.", opt_value__shown_name(opt),
			opt->arg);
		return -EINVAL;
	}
	if (code == '?' && optopt >= LONG_CODE) {
		opt = by_code(parse->cmd, optopt);
		log_err("%s takes no argument, and was given one: %s", opt_value__shown_name(opt),
			parse->argv[parse->at]);
		return -EINVAL;
	}
	if (code == '?')
		return blame_unknown(parse, optopt);
	opt = by_code(parse->cmd, code);
	/* getopt knows of one argument. */
	if (opt->type == OPT_MOMENTS && optind < parse->argc)
		next = parse->argv[optind++];
	return opt_value__store(opt, optarg, next, parse->options);
}

/* Both arrays getopt_long wants, from the rows that cmd takes. The caller frees *letters. */
static struct option *build_arrays(const struct cmd *cmd, char **letters)
{
	struct option *longs = xcalloc(nr_opts + 1, sizeof(*longs));
	char *letter = *letters = xcalloc(2 * nr_opts + 3, 1);
	size_t nr = 0;

	*letter++ = '-'; /* operands are handed over where they stand, as code 1 */
	*letter++ = ':'; /* a missing argument is told from an unknown option */
	for (size_t i = 0; i < nr_opts; i++) {
		if (!(opts[i].cmds & cmd->bit))
			continue;
		longs[nr++] = (struct option){ opts[i].name,
					       opts[i].arg ? required_argument : no_argument, NULL,
					       LONG_CODE + (int)i };
		if (!opts[i].letter)
			continue;
		*letter++ = opts[i].letter;
		if (opts[i].arg)
			*letter++ = ':';
	}
	return longs;
}

/* The words up to "--", the end, or --help. */
static int scan(struct parse *parse)
{
	char *letters;
	struct option *longs = build_arrays(parse->cmd, &letters);
	int code, err = 0;

	opterr = 0;
	optind = 0;
	for (parse->at = 1; !err && !parse->options->help; parse->at = optind) {
		code = getopt_long(parse->argc, parse->argv, letters, longs, NULL);
		if (code == -1)
			break;
		err = take(parse, code);
	}
	/* getopt has passed over one word when it was "--", none at the end. */
	if (!err && !parse->options->help && optind > parse->at)
		parse->options->command = parse->argv + optind;
	free(letters);
	free(longs);
	return err;
}

static int check_command(const struct parse *parse)
{
	const struct options *options = parse->options;
	const char *name = parse->cmd->name;

	if (!options->command)
		return 0;
	if (!options->command[0]) {
		log_err("A command is missing after --, as in: heaptap %s -- ls -l",
			takes_command(parse->cmd) ? name : "leaks");
		return -EINVAL;
	}
	if (takes_command(parse->cmd))
		return 0;
	log_err("heaptap %s runs no command; '%s' after -- is one too many.", name,
		options->command[0]);
	return -EINVAL;
}

/* One thing to look at, and one only. */
static int check_target(const struct parse *parse)
{
	const struct options *options = parse->options;
	const char *running = options->nr_pids	? "--pid (-p)"
			      : options->comm	? "--comm"
			      : options->cgroup ? "--cgroup"
						: NULL;
	const char *or_file =
		parse->cmd->operands == CMD_OPERANDS_TARGET ? "" : ", or a recording: FILE";

	if (parse->cmd->operands == CMD_OPERANDS_FILE && !options->file && !options->help) {
		log_err("heaptap %s wants to know which recording to read: FILE, or - for standard "
			"input. See: heaptap help %s",
			parse->cmd->name, parse->cmd->name);
		return -EINVAL;
	}
	if (parse->cmd->operands == CMD_OPERANDS_ADDRESS && !options->file) {
		log_err("heaptap %s wants to know where to listen: [HOST]:PORT. See: heaptap help "
			"%s",
			parse->cmd->name, parse->cmd->name);
		return -EINVAL;
	}
	if (!takes_command(parse->cmd) || parse->cmd->operands == CMD_OPERANDS_COMMAND)
		return 0;
	if (running && options->command)
		log_err("%s and -- do not go together: look at a running process, or start one.",
			running);
	else if (running && options->file)
		log_err("%s and '%s' do not go together: look at a running process, or read a "
			"recording.",
			running, options->file);
	else if (options->file && options->command)
		log_err("'%s' and -- do not go together: read a recording, or start a command.",
			options->file);
	else if (options->from && !options->file)
		log_err("--from says what FILE is, and there is no FILE.");
	else if (options->children && !running)
		log_err("--children says whose: with --pid (-p), --comm or --cgroup.");
	else if (!running && !options->file && !options->command)
		log_err("heaptap %s wants to know what to look at: -p PID, or -- COMMAND "
			"[ARG...]%s. See: heaptap help %s",
			parse->cmd->name, or_file, parse->cmd->name);
	else
		return 0;
	return -EINVAL;
}

int opts__parse(const struct cmd *cmd, int argc, char **argv, struct options *options)
{
	struct parse parse = { .cmd = cmd, .argc = argc, .argv = argv, .options = options };
	int err;

	*options = (struct options){ 0 };
	err = scan(&parse);
	if (err || options->help)
		return err;
	err = check_command(&parse);
	return err ? err : check_target(&parse);
}

void opts__clear(struct options *options)
{
	custom__clear(&options->allocators.custom);
	free(options->of_function.all);
	free(options->of_file.all);
	free(options->of_module.all);
	free(options->suppressions.all);
	free(options->only.all);
	free(options->ignore.all);
}
