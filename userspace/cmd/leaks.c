// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/run.h"
#include "export/export.h"
#include "report/leaks.h"

/* A snapshot of each process. */
struct snapshots {
	struct leaks **leaks;
	size_t nr, nr_entries;
};

static int write_report(const struct snapshots *all, const struct options *options)
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
	(options->json ? leaks_json__write : leaks_text__write)(
		(const struct leaks *const *)all->leaks, all->nr, out);
	errno = 0;
	err = fflush(out) || ferror(out) ? -(errno ? errno : EIO) : 0;
	if (!to_stdout && fclose(out) && !err)
		err = -errno;
	if (err)
		log_err("The report could not be written to %s: %s.",
			to_stdout ? "standard output" : options->output, strerror(-err));
	return err;
}

static void build(struct snapshots *all, struct model *model, const struct leaks_filter *filter)
{
	all->leaks = xcalloc(model->nr_processes, sizeof(*all->leaks));
	for (; all->nr < model->nr_processes; all->nr++) {
		all->leaks[all->nr] = leaks__build(model, model->processes[all->nr], filter,
						   run__show_names, NULL);
		all->nr_entries += all->leaks[all->nr]->nr_entries;
	}
	log__progress(NULL);
}

static void clear(struct snapshots *all)
{
	for (size_t i = 0; i < all->nr; i++)
		leaks__free(all->leaks[i]);
	free(all->leaks);
}

static int run_leaks(const struct options *options)
{
	struct leaks_filter filter = { .min_bytes = options->min_bytes,
				       .min_count = options->min_count,
				       .older_ns = options->older_ns,
				       .top = options->top,
				       .depth = options->depth };
	struct snapshots all = { 0 };
	struct run run;
	int status = EXIT_CANNOT, err, write_err;

	if (run__open(&run, options)) {
		run__close(&run);
		return EXIT_CANNOT;
	}
	err = run__pump(&run);
	build(&all, run.model, &filter);
	write_err = write_report(&all, options);
	if (!err && !write_err) {
		status = run__status(&run);
		if (options->error_exitcode && all.nr_entries)
			status = options->error_exitcode;
	}
	clear(&all);
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
		 "The command's exit status is passed on.",
	.examples =
		"heaptap leaks -p 1234                    until Ctrl-C\n"
		"heaptap leaks -p 1234 -d 60 --older 30   a minute; blocks at least 30 s old\n"
		"heaptap leaks -o report.txt -- ./prog    keep the report apart from its output\n"
		"heaptap leaks --json app.htap            from a recording, for a script",
	.run = run_leaks,
};
