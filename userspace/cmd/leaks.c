// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/run.h"
#include "export/export.h"
#include "report/leaks.h"

static int write_report(const struct leaks_report *report, const struct options *options)
{
	bool to_stdout = !options->output || !strcmp(options->output, "-");
	FILE *out = stdout;
	int fd, err;

	if (!to_stdout) {
		fd = run__create(options->output);
		if (fd < 0)
			return fd;
		out = fdopen(fd, "w");
		if (!out)
			return -errno;
	}
	(options->json ? leaks_json__write : leaks_text__write)(report, out);
	errno = 0;
	err = fflush(out) || ferror(out) ? -(errno ? errno : EIO) : 0;
	if (!to_stdout && fclose(out) && !err)
		err = -errno;
	if (err)
		log_err("The report could not be written to %s: %s.",
			to_stdout ? "standard output" : options->output, strerror(-err));
	return err;
}

static int run_leaks(const struct options *options)
{
	struct leaks_filter filter = { .min_bytes = options->min_bytes,
				       .min_count = options->min_count,
				       .top = options->top,
				       .depth = options->depth };
	struct leaks_report *report;
	struct run run;
	int status = EXIT_CANNOT, err, write_err;

	if (run__open(&run, options)) {
		run__close(&run);
		return EXIT_CANNOT;
	}
	err = run__pump(&run);
	report = leaks__build(run.model, &filter, run__show_names, NULL);
	log__progress(NULL);
	write_err = write_report(report, options);
	if (!err && !write_err) {
		status = run__status(&run);
		if (options->error_exitcode && report->nr_entries)
			status = options->error_exitcode;
	}
	leaks__free(report);
	run__close(&run);
	return status;
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
