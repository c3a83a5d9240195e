// SPDX-License-Identifier: BSD-2-Clause
/* The command line: what is understood, what is said about the rest, and that all of it is
 * documented. */
#include "cmd/opts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/help.h"

#define MAX_WORDS 48
#define MAX_TEXT  (64 << 10)

/* What a parse came to. */
struct outcome {
	int err;
	struct options options;
	char said[4096]; /* on stderr */
	char line[256], *words[MAX_WORDS + 1];
};

static void read_back(FILE *file, char *text, size_t size)
{
	size_t length;

	fflush(file);
	rewind(file);
	length = fread(text, 1, size - 1, file);
	text[length] = '\0';
	fclose(file);
}

/* Parses a line of words with single blanks between them; the first is the command. */
static void parse(const char *line, struct outcome *outcome)
{
	int argc = 0, saved = dup(STDERR_FILENO);
	FILE *said = tmpfile();

	*outcome = (struct outcome){ 0 };
	snprintf(outcome->line, sizeof(outcome->line), "%s", line);
	for (char *rest = outcome->line, *word; (word = strsep(&rest, " "));)
		if (argc < MAX_WORDS)
			outcome->words[argc++] = word;
	dup2(fileno(said), STDERR_FILENO);
	outcome->err =
		opts__parse(cmd__find(outcome->words[0]), argc, outcome->words, &outcome->options);
	dup2(saved, STDERR_FILENO);
	close(saved);
	read_back(said, outcome->said, sizeof(outcome->said));
}

static const struct options *parse_well(const char *line, struct outcome *outcome)
{
	parse(line, outcome);
	assert_string_equal(outcome->said, "");
	assert_int_equal(outcome->err, 0);
	return &outcome->options;
}

static void test_defaults(void **state)
{
	static const struct options none;
	struct options options;
	struct outcome outcome;

	options = *parse_well("leaks -p 12", &outcome);
	assert_int_equal(options.nr_pids, 1);
	assert_int_equal(options.pids[0], 12);
	options.nr_pids = 0;
	options.pids[0] = 0;
	assert_memory_equal(&options, &none, sizeof(options));
}

static void test_every_option_of_leaks(void **state)
{
	struct outcome outcome;
	const struct options *options = parse_well(
		"leaks --pid 4194304 -d 1.5 -o out --json --min-bytes 3K --min-count 4 --older 2m "
		"--top 5 --depth 6 --error-exitcode 255 --lossless --ring-size 64K",
		&outcome);

	assert_int_equal(options->pids[0], 4194304);
	assert_int_equal(options->duration_ns, 1500000000);
	assert_string_equal(options->output, "out");
	assert_true(options->json);
	assert_int_equal(options->min_bytes, 3072);
	assert_int_equal(options->min_count, 4);
	assert_int_equal(options->older_ns, 120 * NSEC_PER_SEC);
	assert_int_equal(options->top, 5);
	assert_int_equal(options->depth, 6);
	assert_int_equal(options->error_exitcode, 255);
	assert_int_equal(options->lossless, OPT_YES);
	assert_int_equal(options->ring_bytes, 65536);
}

static void test_places_to_look_in(void **state)
{
	struct outcome outcome;
	const struct options *options =
		parse_well("record -p 1 --debug-dir /a --sysroot=/b --debuginfod --no-symbols "
			   "--no-lossless --ring-size 2G -vv",
			   &outcome);

	assert_string_equal(options->debug_dir, "/a");
	assert_string_equal(options->sysroot, "/b");
	assert_true(options->debuginfod);
	assert_true(options->no_symbols);
	assert_int_equal(options->lossless, OPT_NO);
	assert_int_equal(options->ring_bytes, 2ull << 30);
	assert_int_equal(options->verbose, 2);
}

static void test_allocators(void **state)
{
	struct outcome outcome;
	const struct options *options =
		parse_well("leaks -p 1 --mmap --allocator malloc=a(size=2) --allocator free=b",
			   &outcome);

	assert_true(options->allocators.mmap);
	assert_int_equal(options->allocators.custom.nr, 2);
	assert_string_equal(options->allocators.custom.items[1].fn.symbol, "b");
	opts__clear(&outcome.options);
	assert_int_equal(outcome.options.allocators.custom.nr, 0);
	parse("leaks -p 1 --allocator malloc=a --allocator free=b(ptr=0)", &outcome);
	assert_int_equal(outcome.err, -EINVAL);
	assert_non_null(strstr(outcome.said, "--allocator: 'free=b(ptr=0)'"));
	opts__clear(&outcome.options);
}

static void test_command_keeps_its_own_options(void **state)
{
	struct outcome outcome;
	const struct options *options =
		parse_well("leaks --top 3 -- prog --json -p x -- --help", &outcome);

	assert_ptr_equal(options->command, outcome.words + 4);
	assert_string_equal(options->command[0], "prog");
	assert_string_equal(options->command[5], "--help");
	assert_null(options->command[6]);
	assert_false(options->json);
	assert_int_equal(options->nr_pids, 0);
}

static void test_file_before_and_behind_options(void **state)
{
	struct outcome outcome;

	assert_string_equal(parse_well("leaks a.htap --json", &outcome)->file, "a.htap");
	assert_true(outcome.options.json);
	assert_string_equal(parse_well("leaks --json a.htap", &outcome)->file, "a.htap");
}

/* "--" is the argument of -o here, and starts no command. */
static void test_dashes_as_an_argument(void **state)
{
	struct outcome outcome;
	const struct options *options = parse_well("leaks -p 1 -o --", &outcome);

	assert_string_equal(options->output, "--");
	assert_null(options->command);
}

static void test_help_comes_first(void **state)
{
	struct outcome outcome;

	assert_true(parse_well("leaks --help", &outcome)->help);
	assert_true(parse_well("leaks -p 1 a.htap -h --nonsense", &outcome)->help);
	assert_true(parse_well("doctor -h", &outcome)->help);
	assert_true(parse_well("help --man", &outcome)->man);
	assert_true(parse_well("help --bash-completion", &outcome)->bash_completion);
	assert_string_equal(parse_well("help leaks", &outcome)->file, "leaks");
}

/* Each sentence names the option, the value, and what would be taken. */
static const struct {
	const char *line, *said;
} refused[] = {
	{ "leaks -p x", "--pid (-p) takes a process id from 1 to 4194304, not 'x'.\n" },
	{ "leaks -p 0", "--pid (-p) takes a process id from 1 to 4194304, not '0'.\n" },
	{ "leaks -p -1", "--pid (-p) takes a process id from 1 to 4194304, not '-1'.\n" },
	{ "leaks -p 4194305", "--pid (-p) takes a process id from 1 to 4194304, not '4194305'.\n" },
	{ "leaks -p 1,,2", "--pid (-p) takes a process id from 1 to 4194304, not ''.\n" },
	{ "leaks -p 1,x", "--pid (-p) takes a process id from 1 to 4194304, not 'x'.\n" },
	{ "leaks --children -- x",
	  "--children says whose: with --pid (-p), --comm or --cgroup.\n" },
	{ "leaks --comm x y.htap",
	  "--comm and 'y.htap' do not go together: look at a running process, or read a "
	  "recording.\n" },
	{ "leaks -p", "--pid (-p) takes an argument, PID, and there is none.\n" },
	{ "leaks -p 1 --top", "--top takes an argument, N, and there is none.\n" },
	{ "leaks -p 1 --top -5", "--top takes a whole number, not '-5'.\n" },
	{ "leaks -p 1 --depth 1.5", "--depth takes a whole number, not '1.5'.\n" },
	{ "leaks -p 1 --min-count 18446744073709551616",
	  "--min-count takes a whole number, not '18446744073709551616'.\n" },
	{ "leaks -p 1 --min-bytes 1X",
	  "--min-bytes takes a number of bytes such as 4096, 64K or 1M, not '1X'.\n" },
	{ "leaks -p 1 --ring-size 4096",
	  "--ring-size takes a number of bytes such as 4096, 64K or 1M, from 64K to 2G, not "
	  "'4096'.\n" },
	{ "leaks -p 1 --ring-size 3G",
	  "--ring-size takes a number of bytes such as 4096, 64K or 1M, from 64K to 2G, not "
	  "'3G'.\n" },
	{ "leaks -p 1 -d 0",
	  "--duration (-d) takes a time in seconds such as 60, 0.5 or 10m, more than 0, not "
	  "'0'.\n" },
	{ "leaks -p 1 --older soon",
	  "--older takes a time in seconds such as 60, 0.5 or 10m, not 'soon'.\n" },
	{ "leaks -p 1 --error-exitcode 0",
	  "--error-exitcode takes an exit status from 1 to 255, not '0'.\n" },
	{ "leaks -p 1 --error-exitcode 256",
	  "--error-exitcode takes an exit status from 1 to 255, not '256'.\n" },
	{ "leaks -p 1 --output=", "--output (-o) takes a FILE, not an empty word.\n" },
	{ "leaks -p 1 --sysroot=",
	  "--sysroot takes a DIR, not an empty word.\n" },
	{ "leaks --json=yes", "--json takes no argument, and was given one: --json=yes\n" },
	{ "leaks --jsno", "heaptap leaks does not know the option --jsno. Did you mean --json?\n"
			  "heaptap: Its options are listed by: heaptap help leaks\n" },
	{ "leaks -json", "heaptap leaks does not know the option -json. Did you mean --json?\n"
			 "heaptap: Its options are listed by: heaptap help leaks\n" },
	{ "leaks --quux=3", "heaptap leaks does not know the option --quux.\n"
			    "heaptap: Its options are listed by: heaptap help leaks\n" },
	{ "doctor -vx", "heaptap doctor does not know the option -x.\n"
			"heaptap: Its options are listed by: heaptap help doctor\n" },
	{ "record --top 3", "heaptap record does not take --top; heaptap leaks does.\n" },
	{ "doctor -d 3", "heaptap doctor does not take --duration; heaptap leaks does.\n" },
	{ "leaks ls -l",
	  "heaptap leaks does not know the option -l.\n"
	  "heaptap: To trace a command put -- in front of it: heaptap leaks -- ls -l\n" },
	{ "leaks -d 3 ls a",
	  "heaptap leaks takes one FILE; 'a' is one too many.\n"
	  "heaptap: To trace a command put -- in front of it: heaptap leaks -d 3 -- ls a\n" },
	{ "record ls -l",
	  "heaptap record has no use for the word 'ls'.\n"
	  "heaptap: To trace a command put -- in front of it: heaptap record -- ls -l\n" },
	{ "doctor x", "heaptap doctor has no use for the word 'x'.\n" },
	{ "doctor -- x", "heaptap doctor runs no command; 'x' after -- is one too many.\n" },
	{ "help a b", "heaptap help takes one name; 'b' is one too many.\n" },
	{ "record --", "A command is missing after --, as in: heaptap record -- ls -l\n" },
	{ "leaks a.htap --", "A command is missing after --, as in: heaptap leaks -- ls -l\n" },
	{ "leaks", "heaptap leaks wants to know what to look at: -p PID, or -- COMMAND [ARG...], "
		   "or a recording: FILE. See: heaptap help leaks\n" },
	{ "record -o x", "heaptap record wants to know what to look at: -p PID, or -- COMMAND "
			 "[ARG...]. See: heaptap help record\n" },
	{ "leaks -p 1 -- ls", "--pid (-p) and -- do not go together: look at a running process, or "
			      "start one.\n" },
	{ "leaks -p 1 x", "--pid (-p) and 'x' do not go together: look at a running process, or "
			  "read a recording.\n" },
	{ "leaks x -- ls",
	  "'x' and -- do not go together: read a recording, or start a command.\n" },
};

static void test_refusals_are_sentences(void **state)
{
	struct outcome outcome;
	char wanted[1024];

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		parse(refused[i].line, &outcome);
		snprintf(wanted, sizeof(wanted), "heaptap: %s", refused[i].said);
		assert_string_equal(outcome.said, wanted);
		assert_int_equal(outcome.err, -EINVAL);
	}
}

static void test_unknown_command_is_guessed(void **state)
{
	static const struct {
		const char *typed, *guess;
	} rows[] = { { "leks", "leaks" }, { "laeks", "leaks" },
		     { "rec", "record" }, { "dcotor", "doctor" },
		     { "HELP", NULL },	  { "xy", NULL },
		     { "", NULL } };
	char said[1024], wanted[128];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int saved = dup(STDERR_FILENO);
		FILE *file = tmpfile();

		dup2(fileno(file), STDERR_FILENO);
		help__blame_unknown(rows[i].typed);
		dup2(saved, STDERR_FILENO);
		close(saved);
		read_back(file, said, sizeof(said));
		if (rows[i].guess)
			snprintf(wanted, sizeof(wanted), "Did you mean: heaptap %s\n",
				 rows[i].guess);
		else
			snprintf(wanted, sizeof(wanted), "are listed by: heaptap help\n");
		assert_non_null(strstr(said, wanted));
	}
}

static char *text_of(void (*print)(FILE *out))
{
	static char text[MAX_TEXT];
	FILE *file = tmpfile();

	print(file);
	read_back(file, text, sizeof(text));
	assert_true(strlen(text) < sizeof(text) - 1);
	return text;
}

static void print_help_of_all(FILE *out)
{
	for (size_t i = 0; i < nr_cmds; i++)
		help__command(out, cmds[i]);
}

static void test_every_option_is_in_the_man_page(void **state)
{
	const char *text = text_of(help__man);

	for (size_t i = 0; i < nr_opts; i++) {
		char name[128], *to = name;

		for (const char *from = opts[i].name; *from; from++)
			to += sprintf(to, *from == '-' ? "\\-" : "%c", *from);
		to = xasprintf("\\fB\\-\\-%s\\fR%s%s", name, opts[i].arg ? " \\fI" : "\n",
			       opts[i].arg ? opts[i].arg : "");
		assert_non_null(strstr(text, to));
		free(to);
	}
	for (size_t i = 0; i < nr_cmds; i++) {
		char *heading = xasprintf(".SS heaptap %s\n", cmds[i]->name);

		assert_non_null(strstr(text, heading));
		free(heading);
	}
}

/* A name may have several rows, for different commands. */
static bool takes(const struct cmd *cmd, const char *name)
{
	for (size_t i = 0; i < nr_opts; i++)
		if (!strcmp(opts[i].name, name) && (opts[i].cmds & cmd->bit))
			return true;
	return false;
}

static void test_every_option_is_completed(void **state)
{
	char *text = text_of(help__bash);

	for (size_t i = 0; i < nr_cmds; i++) {
		char *wanted = xasprintf("\n\t%s%s", cmds[i]->name,
					 cmds[i] == &cmd_report ? "|" : ")\n");
		char *line = strstr(text, wanted), *end;

		free(wanted);
		assert_non_null(line);
		end = strstr(line, ";;");
		*end = '\0';
		for (size_t j = 0; j < nr_opts; j++) {
			wanted = xasprintf(" --%s ", opts[j].name);
			assert_int_equal(!!strstr(line, wanted) || !!strstr(line, wanted + 1),
					 takes(cmds[i], opts[j].name));
			free(wanted);
		}
		*end = ';';
	}
}

static void test_help_fits_80_columns(void **state)
{
	char *rest = text_of(print_help_of_all), *line;

	while ((line = strsep(&rest, "\n")))
		if (strlen(line) > 80)
			fail_msg("too long: %s", line);
}

/* Hands text to a program; its standard output and error are in said. */
static int run_filter(const char *command, const char *text, char *said, size_t size)
{
	char path[] = "/tmp/heaptap-test-XXXXXX";
	int fd = mkstemp(path), status;
	char *line = xasprintf("%s <%s 2>&1", command, path);
	size_t length;
	FILE *pipe;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	pipe = popen(line, "r");
	length = fread(said, 1, size - 1, pipe);
	said[length] = '\0';
	status = pclose(pipe);
	unlink(path);
	free(line);
	return status;
}

static void test_groff_likes_the_man_page(void **state)
{
	char said[4096];

	if (system("command -v groff >/dev/null"))
		skip();
	assert_int_equal(
		run_filter("groff -man -ww -z -Tutf8", text_of(help__man), said, sizeof(said)), 0);
	assert_string_equal(said, "");
}

static void test_bash_completes(void **state)
{
	static const struct {
		const char *words, *offered;
	} rows[] = {
		{ "heaptap le", "leaks" },
		{ "heaptap leaks --js", "--json" },
		{ "heaptap record --no-", "--no-lossless --no-follow --no-symbols" },
		{ "heaptap record --top", "" },
		{ "heaptap help doc", "doctor" },
		{ "heaptap leaks --sysroot /us", "/usr" },
		{ "heaptap leaks --depth 1", "" },
		{ "heaptap leaks -- --js", "" },
	};
	char *script = xasprintf("%s", text_of(help__bash)), said[4096];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *whole = xasprintf("%s\nCOMP_WORDS=(%s)\n"
					"COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
					"_heaptap\necho \"${COMPREPLY[*]}\"\n",
					script, rows[i].words);

		assert_int_equal(run_filter("bash --norc", whole, said, sizeof(said)), 0);
		said[strcspn(said, "\n")] = '\0';
		assert_string_equal(said, rows[i].offered);
		free(whole);
	}
	free(script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_option_of_leaks),
		cmocka_unit_test(test_places_to_look_in),
		cmocka_unit_test(test_allocators),
		cmocka_unit_test(test_command_keeps_its_own_options),
		cmocka_unit_test(test_file_before_and_behind_options),
		cmocka_unit_test(test_dashes_as_an_argument),
		cmocka_unit_test(test_help_comes_first),
		cmocka_unit_test(test_refusals_are_sentences),
		cmocka_unit_test(test_unknown_command_is_guessed),
		cmocka_unit_test(test_every_option_is_in_the_man_page),
		cmocka_unit_test(test_every_option_is_completed),
		cmocka_unit_test(test_help_fits_80_columns),
		cmocka_unit_test(test_groff_likes_the_man_page),
		cmocka_unit_test(test_bash_completes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
