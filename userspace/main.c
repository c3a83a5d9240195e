// SPDX-License-Identifier: BSD-2-Clause
/* Finds the subcommand and hands it its options. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/help.h"
#include "export/view.h"

static bool is_one_of(const char *word, const char *one, const char *other)
{
	return !strcmp(word, one) || !strcmp(word, other);
}

/* An option, where the name of a command was to come. */
static int run_option(const char *option)
{
	if (is_one_of(option, "-h", "--help")) {
		help__overview(stdout);
		return EXIT_DONE;
	}
	if (is_one_of(option, "-V", "--version")) {
		puts("heaptap " HEAPTAP_VERSION);
		return EXIT_DONE;
	}
	log_err("The first word is a command, options follow it, as in: heaptap leaks -p PID; not "
		"'%s'. All commands are listed by: heaptap help",
		option);
	return EXIT_USAGE;
}

/* view: the name of one, where it stood for `report --view NAME`; else NULL. */
static int run_command(const struct cmd *cmd, const char *view, int argc, char **argv)
{
	struct options options;
	int status = EXIT_DONE;

	if (opts__parse(cmd, argc, argv, &options)) {
		status = EXIT_USAGE;
	} else if (options.help) {
		help__command(stdout, cmd);
	} else {
		if (view)
			options.view = view;
		log__set_level(min(LOG_WARN + options.verbose, (unsigned)LOG_DEBUG));
		status = cmd->run(&options);
	}
	opts__clear(&options);
	return status;
}

int main(int argc, char **argv)
{
	const struct cmd *cmd;
	int status;

	if (argc < 2) {
		help__overview(stderr);
		return EXIT_USAGE;
	}
	cmd = cmd__find(argv[1]);
	if (cmd) {
		status = run_command(cmd, NULL, argc - 1, argv + 1);
	} else if (view__find(argv[1])) {
		status = run_command(&cmd_report, argv[1], argc - 1, argv + 1);
	} else if (argv[1][0] == '-') {
		status = run_option(argv[1]);
	} else {
		help__blame_unknown(argv[1]);
		status = EXIT_USAGE;
	}
	/* What was printed is not there before it is written: a full disk shows up here. */
	errno = 0;
	if (fflush(stdout) || ferror(stdout)) {
		log_err("The output could not be written: %s.",
			errno ? strerror(errno) : "an earlier write failed");
		return EXIT_CANNOT;
	}
	return status;
}
