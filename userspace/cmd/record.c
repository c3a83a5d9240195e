// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/run.h"
#include "cmd/targets.h"
#include "report/bake.h"
#include "trace/writer.h"

struct recording {
	char *path;
	int fd;
	struct run *run;
};

/* NAME.PID.htap in the current folder, NAME being the command's, or the (first) process's
 * executable. NULL after saying that there is no such process. */
static char *default_path(const struct options *options)
{
	struct pid_set targets = { 0 };
	char link[64], exe[4096];
	ssize_t len;
	pid_t pid;

	if (options->command)
		return xasprintf("%s.%d.htap", path__base(options->command[0]), getpid());
	if (targets__find(options, &targets)) {
		pid_set__clear(&targets);
		return NULL;
	}
	pid = targets.pids[0];
	pid_set__clear(&targets);
	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	len = readlink(link, exe, sizeof(exe) - 1);
	exe[max(len, (ssize_t)0)] = '\0';
	return xasprintf("%s.%d.htap", len > 0 ? path__base(exe) : "heap", pid);
}

static int append(const struct wire_head *record, void *data)
{
	struct recording *recording = data;

	return trace_writer__append(recording->run->writer, record);
}

static void report_write_error(const struct recording *recording, int err)
{
	log_err("Writing %s failed: %s. What was recorded until then is in it and can be read.",
		recording->path, strerror(-err));
}

/* Pumps everything into the file, then the names. 0 or -errno, said. */
static int fill(struct recording *recording)
{
	struct run *run = recording->run;
	int err, close_err;

	run->writer = trace_writer__new(recording->fd, recording->path);
	if (!run->writer) {
		err = -errno;
		report_write_error(recording, err);
		return err;
	}
	run->count_heap = isatty(STDERR_FILENO); /* for the progress line only */
	err = run__pump(run);
	if (!err && !run->options->no_symbols)
		err = bake__names(run->model, append, run__show_names, recording);
	log__progress(NULL);
	close_err = trace_writer__close(run->writer);
	run->writer = NULL;
	if (!err)
		err = close_err;
	if (err)
		report_write_error(recording, err);
	return err;
}

static int run_record(const struct options *options)
{
	struct run run;
	struct recording recording = { .run = &run };
	bool to_stdout = options->output && !strcmp(options->output, "-");
	int status = EXIT_CANNOT, err;

	if (to_stdout && isatty(STDOUT_FILENO)) {
		log_err("A recording is not for a terminal: redirect it, or name a file by -o.");
		return EXIT_USAGE;
	}
	recording.path = to_stdout	   ? xstrdup("standard output")
			 : options->output ? xstrdup(options->output)
					   : default_path(options);
	if (!recording.path)
		return EXIT_CANNOT;
	recording.fd = to_stdout ? STDOUT_FILENO : run__create(recording.path);
	if (recording.fd >= 0 && !run__open(&run, options)) {
		err = fill(&recording);
		status = run__status(&run);
		if (err)
			status = EXIT_CANNOT;
		else if (!to_stdout && !options->output)
			log_warn("The recording is %s. To read it: heaptap leaks %s",
				 recording.path, recording.path);
		run__close(&run);
	}
	if (recording.fd > STDERR_FILENO)
		close(recording.fd);
	free(recording.path);
	return status;
}

const struct cmd cmd_record = {
	.name = "record",
	.bit = CMD_RECORD,
	.operands = CMD_OPERANDS_TARGET,
	.summary = "Record every allocation and free to a file.",
	.about =
		"Watches a running process (-p PID) until Ctrl-C, or a command from its first "
		"instruction to its exit (-- COMMAND), and writes every event to a file, NAME.PID"
		".htap unless -o names another. The names of functions are written too, so that "
		"the recording can be read without privilege on any machine.\n"
		"A recording that was cut short (a full disk, a kill) can be read up to there. The "
		"command's exit status is passed on.",
	.examples = "heaptap record -p 1234 -d 60 -o app.htap   a minute of a running process\n"
		    "heaptap record -o app.htap -- ./prog       a command from start to end\n"
		    "heaptap record -o - -- ./prog | ssh host 'cat >app.htap'",
	.run = run_record,
};
