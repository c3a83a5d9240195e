// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/listen.h"
#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "export/view.h"
#include "source/receiver.h"

#define DEFAULT_MAX_BYTES (16ull << 30)

/* What has been received. */
struct received {
	char **paths;
	size_t nr, capacity;
	bool converted; /* some of it was libdumpalloc's */
};

static volatile sig_atomic_t interrupted;

static void note_signal(int signal)
{
	interrupted = 1;
}

static bool was_interrupted(void)
{
	return interrupted;
}

/* A second Ctrl-C ends the program as usual. */
static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND };
	struct sigaction before;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigaction(signals[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void note_received(const char *path, bool converted, void *data)
{
	struct received *received = data;

	received->paths = array__grow(received->paths, received->nr, &received->capacity,
				      sizeof(*received->paths));
	received->paths[received->nr++] = xstrdup(path);
	received->converted |= converted;
}

static void clear_received(struct received *received)
{
	for (size_t i = 0; i < received->nr; i++)
		free(received->paths[i]);
	free(received->paths);
}

/* What --view or --format makes of a file that was received. The exit status. */
static int report_file(const struct options *options, const char *path)
{
	const struct cmd *cmd = options->format && !options->view ? &cmd_export : &cmd_report;
	struct options one = *options;

	one.file = path;
	one.output = NULL;
	one.duration_ns = 0;
	return cmd->run(&one);
}

/* To be said now, not when all has been received. */
static bool is_report_known(const struct options *options)
{
	bool of_report = options->view != NULL;
	const char *name = of_report ? options->view : options->format;

	if (!name || (of_report ? view__find(name) : exporter__find(name)))
		return true;
	log_err("There is no %s '%s'. They are listed by: heaptap help %s",
		of_report ? "view" : "format", name, of_report ? "report" : "export");
	return false;
}

static int report_all(const struct options *options, const struct received *received)
{
	int status = EXIT_DONE;

	for (size_t i = 0; i < received->nr; i++)
		status = max(status, report_file(options, received->paths[i]));
	return status;
}

static void say_how_to_read(const struct received *received)
{
	const char *hint =
		received->converted ? " (--sysroot DIR: where the device's files are)" : "";

	if (!received->nr)
		log_warn("Nothing was received.");
	else if (received->nr == 1)
		log_warn("To read it: heaptap leaks %s%s", received->paths[0], hint);
	else
		log_warn("%zu recordings were received. To read the last: heaptap leaks %s%s",
			 received->nr, received->paths[received->nr - 1], hint);
}

static int run_receive(const struct options *options)
{
	struct received received = { 0 };
	struct listeners listeners;
	struct receiver_config config = {
		.listeners = &listeners,
		.folder = options->output,
		.max_bytes = options->max_bytes ? options->max_bytes : DEFAULT_MAX_BYTES,
		.nr_wanted = options->nr_streams,
		.duration_ns = options->duration_ns,
		.interrupted = was_interrupted,
		.received = note_received,
		.data = &received,
	};
	int err, status = EXIT_CANNOT;

	if (!is_report_known(options))
		return EXIT_USAGE;
	catch_signals();
	err = listen__open(&listeners, options->file);
	if (err)
		return err == -EINVAL ? EXIT_USAGE : EXIT_CANNOT;
	log_warn("Listening at %s%s. Ctrl-C ends it.", listeners.shown,
		 listeners.open_to_others ? "" : ", for this machine only");
	err = receiver__run(&config);
	listen__close(&listeners);
	if (!err) {
		status = EXIT_DONE;
		if (options->view || options->format)
			status = report_all(options, &received);
		else
			say_how_to_read(&received);
	}
	clear_received(&received);
	return status;
}

const struct cmd cmd_receive = {
	.name = "receive",
	.bit = CMD_RECEIVE,
	.operands = CMD_OPERANDS_ADDRESS,
	.summary = "Receive recordings from other machines.",
	.about =
		"Listens on a TCP port for recordings that others send, and for streams of "
		"libdumpalloc, and writes each to a file, NAME.PID.htap of the process it is "
		"about, in the current folder or the one that -o names. Files that are there stay: "
		"a number is added. A stream of libdumpalloc is converted to a recording.\n"
		"Without HOST it listens for this machine only; with *:PORT for everybody. There "
		"is "
		"no password, and nothing is encrypted: let others in only where you trust them "
		"all, or use the tunnel of ssh. Port 0 is any that is free.\n"
		"Ctrl-C ends it and keeps what has come so far; so do -d and --count. With --view "
		"or --format each file is shown then as heaptap report or heaptap export would.",
	.examples =
		"heaptap receive *:7000                    here, and on the device:\n"
		"heaptap record -o - -- ./prog | nc pc 7000   a recording\n"
		"DUMPALLOC_SERVER=pc:7000 LD_PRELOAD=libdumpalloc.so ./prog   or an old stream\n"
		"heaptap receive :7000 --count 1 --view leaks   one, and what it leaks",
	.run = run_receive,
};
