// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/output.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/names.h"
#include "cmd/watch.h"
#include "trace/writer.h"
#include "wire.h"

/* How long the pump sleeps at most: a compromise of wake-ups and of how full the ring gets. */
#define NAP_MS	    10
#define PROGRESS_NS (NSEC_PER_SEC / 4)

static volatile sig_atomic_t interrupted, terminated;

static void note_signal(int signal)
{
	if (signal == SIGINT)
		interrupted = 1;
	else
		terminated = 1;
}

/*
 * A second Ctrl-C, while names are looked up, ends the program as usual. What is ignored stays so
 * (nohup, a job in the background): a launched command inherits that, but not a handler.
 */
static void catch_signals(bool launched)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = note_signal,
				    .sa_flags = launched ? 0 : (int)SA_RESETHAND };
	struct sigaction before;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigaction(signals[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
}

static int module_fd(void *data, uint32_t module)
{
	const struct source *source = data;

	return source->module_fd(source, module);
}

static int perf_map_fd(void *data)
{
	struct source *source = data;

	return source->perf_map_fd(source);
}

/* What counts. */
static void tell_model(struct model *model, const struct options *options, struct source *source)
{
	source->anchor(source, &model->anchor.monotonic_ns, &model->anchor.realtime_ns);
	model->at = options->at;
	memcpy(model->born, options->between, sizeof(model->born));
	model->only_pid = (uint32_t)options->only_pid;
	model->filter = (struct block_filter){ .older_ns = options->older_ns,
					       .min_bytes = options->min_block_bytes,
					       .max_bytes = options->max_block_bytes,
					       .tid = (uint32_t)options->tid };
	if (options->tid)
		model__observe(model, &model->onlooker);
}

int run__open(struct run *run, const struct options *options)
{
	struct sym_options sym_options = { .sysroot = options->sysroot,
					   .debug_dir = options->debug_dir,
					   .debuginfod = options->debuginfod };

	*run = (struct run){ .options = options,
			     .count_heap = true,
			     .memory = memory_watch__new(options->memory_bytes) };
	catch_signals(options->command != NULL);
	run->source = options->file ? file_source__open(options->file, options->from)
				    : watch__open(options);
	if (!run->source)
		return -EIO;
	/* Not before the launch: a command must not inherit it. */
	signal(SIGPIPE, SIG_IGN);
	run->model = model__new(&sym_options);
	run->model->module_fd = module_fd;
	run->model->perf_map_fd = perf_map_fd;
	run->model->fd_data = run->source;
	tell_model(run->model, options, run->source);
	return 0;
}

void run__close(struct run *run)
{
	if (run->source)
		run->source->close(run->source);
	model__free(run->model);
	*run = (struct run){ 0 };
}

static void show_progress(struct run *run, uint64_t now_ns)
{
	const struct model *model = run->model;
	int percent = run->source->progress ? run->source->progress(run->source) : -1;
	char processes[64] = "", read[24] = "";
	uint64_t rate;

	if (!isatty(STDERR_FILENO) || now_ns - run->shown_ns < PROGRESS_NS)
		return;
	rate = (model->nr_events - run->shown_events) * NSEC_PER_SEC / (now_ns - run->shown_ns);
	if (model->nr_processes > 1)
		snprintf(processes, sizeof(processes), "%zu of %zu processes live, ",
			 model->nr_live, model->nr_processes);
	if (percent >= 0)
		snprintf(read, sizeof(read), "%d%% read, ", percent);
	log__progress("%s%s%" PRIu64 " events, %" PRIu64 " bytes live, %" PRIu64
		      " events/s, %" PRIu64 " lost%s",
		      read, processes, model->nr_events, model__live_bytes(model),
		      run->shown_ns ? rate : 0, model->nr_lost,
		      run->options->file || run->options->command ? "" : "; Ctrl-C ends it");
	run->shown_ns = now_ns;
	run->shown_events = model->nr_events;
}

void run__show_names(uint32_t done, uint32_t modules, void *data)
{
	log__progress("reading names: %" PRIu32 " of %" PRIu32 " files", done, modules);
}

static int check_memory(struct run *run, const struct wire_head *record)
{
	int err = run->options->file ? memory_watch__check(&run->memory, record) : 0;

	if (err)
		memory_watch__say(&run->memory, run->options->file);
	return err;
}

static int take(const struct wire_head *record, void *data)
{
	struct run *run = data;
	int err = run->writer ? trace_writer__append(run->writer, record) : 0;

	if (err)
		return err;
	if (run->has_names && (record->type == WIRE_STRING || record->type == WIRE_SYMBOL))
		return check_memory(run, record);
	if (!run->count_heap && (record->type == WIRE_ALLOC || record->type == WIRE_FREE))
		run->model->nr_events++;
	else
		err = model__apply(run->model, record);
	if (run->observe)
		run->observe(run, record);
	return err ? err : check_memory(run, record);
}

static int discard(const struct wire_head *record, void *data)
{
	return 0;
}

/* It broke: who is watched must not be left standing, waiting to be seen to. */
static void abandon(struct run *run)
{
	run->source->stop(run->source);
	while (run->source->pump(run->source, 0, discard, NULL) > 0)
		;
}

void run__read_names(struct run *run)
{
	if (run->options->file)
		run->has_names = names__read(run->model, run->options->file, run->memory);
}

/* Is there a launched command that signals are meant for? When it has ended, while its children are
 * still watched, they are meant for us. */
static bool runs_command(const struct run *run)
{
	const struct process *command = model__first(run->model);

	return run->options->command && command->pid && !command->ended;
}

/* The moment that is asked for (--at) is known when the stream has begun. */
static void tell_source(struct run *run)
{
	if (run->told_until || run->model->until_ns == UINT64_MAX || !run->source->until)
		return;
	run->source->until(run->source, run->model->until_ns);
	run->told_until = true;
}

int run__pump(struct run *run)
{
	const struct options *options = run->options;
	uint64_t now_ns = clock__monotonic_ns(), end_ns = now_ns + options->duration_ns;
	bool stopped = false;
	int more = 1, err;

	run->shown_ns = now_ns;
	while (more > 0) {
		more = run->source->pump(run->source, NAP_MS, take, run);
		tell_source(run);
		now_ns = clock__monotonic_ns();
		if (terminated && runs_command(run) && !stopped) {
			/* Who ends heaptap means the command: its end is then ours. */
			kill((pid_t)model__first(run->model)->pid, SIGTERM);
			terminated = 0;
		}
		if (!stopped && ((options->duration_ns && now_ns >= end_ns) || terminated ||
				 (interrupted && !runs_command(run)))) {
			run->source->stop(run->source);
			stopped = true;
		}
		err = run->after_pump ? run->after_pump(run) : 0;
		if (err && more > 0)
			more = err;
		show_progress(run, now_ns);
	}
	if (more < 0)
		abandon(run);
	log__progress(NULL);
	if (options->stats && run->source->print_stats)
		run->source->print_stats(run->source);
	return more;
}

int run__status(struct run *run)
{
	int status = run->source->wait_command(run->source);

	if (status < 0)
		return EXIT_DONE;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int run__create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0) {
		output__give_to_caller(fd);
		return fd;
	}
	if (errno == EEXIST)
		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		log_err("%s cannot be written: %s.", path, strerror(-fd));
	}
	return fd;
}
