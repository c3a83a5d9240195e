// SPDX-License-Identifier: BSD-2-Clause
#include <stddef.h>

#include "cmd/cmd.h"
#include "cmd/view_run.h"

static int run_leaks(const struct options *options)
{
	return view_run(options, &view_leaks);
}

const struct cmd cmd_leaks = {
	.name = "leaks",
	.bit = CMD_LEAKS,
	.operands = CMD_OPERANDS_TARGET_OR_FILE,
	.summary = "Show what a program allocated and has not freed.",
	.about = "Watches a running process (-p PID) until Ctrl-C, or a command from its first "
		 "instruction to its exit (-- COMMAND), or reads a recording (FILE; - is standard "
		 "input), and prints every call path whose blocks are still live, largest first. A "
		 "line of a call path is the place of a call, innermost first.\n"
		 "Attached to a running process, blocks it allocated before are not known; "
		 "--older leaves out what was allocated only just now and may still be freed.\n"
		 "With several processes, each has a report of its own under a heading; a forked "
		 "one "
		 "begins with what its parent had.\n"
		 "The command's exit status is passed on.",
	.examples =
		"heaptap leaks -p 1234                    until Ctrl-C\n"
		"heaptap leaks -p 1234 -d 60 --older 30   a minute; blocks at least 30 s old\n"
		"heaptap leaks -o report.txt -- ./prog    keep the report apart from its output\n"
		"heaptap leaks --json app.htap            from a recording, for a script",
	.run = run_leaks,
};
