// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/fail_outside.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/fail_print.h"
#include "cmd/fail_rules.h"
#include "cmd/run.h"
#include "probe/inject_trial.h"
#include "probe/target.h"
#include "report/bake.h"
#include "source/inject.h"
#include "trace/writer.h"
#include "wire.h"

/* When nothing more can fail: how long to see what the process makes of it. */
#define LINGER_NS NSEC_PER_SEC

struct outside {
	struct fail_print print;
	uint64_t limit;	  /* calls that can fail; 0: any number */
	uint64_t full_ns; /* when that many had; 0: not yet */
	bool stopped;
	bool has_ended;
	int status; /* of the process that has, as wait(2) has it */
};

static void observe(struct run *run, const struct wire_head *record)
{
	struct outside *outside = run->observer;
	const struct wire_alloc *alloc = (const struct wire_alloc *)record;
	const struct wire_end *end = (const struct wire_end *)record;

	if (record->type == WIRE_ALLOC && alloc->flags & WIRE_ALLOC_INJECTED) {
		fail_print__add(&outside->print, run->model, alloc);
	} else if (record->type == WIRE_END && record->pid && end->reason == WIRE_END_EXITED) {
		outside->has_ended = true;
		outside->status = (int)end->status;
	}
}

static int after_pump(struct run *run)
{
	struct outside *outside = run->observer;
	uint64_t now_ns = clock__monotonic_ns();
	struct inject_counts counts;

	fail_print__flush(&outside->print, run->model);
	if (outside->stopped || outside->has_ended || !outside->limit)
		return 0;
	run->source->inject_counts(run->source, &counts);
	if (counts.failed < outside->limit)
		return 0;
	if (!outside->full_ns)
		outside->full_ns = now_ns;
	if (now_ns - outside->full_ns >= LINGER_NS) {
		run->source->stop(run->source);
		outside->stopped = true;
	}
	return 0;
}

static void say_counts(const struct inject_counts *counts)
{
	log_warn("%" PRIu64 " call%s made to fail.", counts->failed,
		 counts->failed == 1 ? " was" : "s were");
	if (counts->survived)
		log_warn("%" PRIu64
			 " of them succeeded all the same: the allocator took 2^62 bytes or more "
			 "for a size it can give.",
			 counts->survived);
	if (counts->unknown)
		log_warn("%" PRIu64
			 " were left alone because their stacks could not be followed to "
			 "the end: they might have come from the dynamic loader.",
			 counts->unknown);
	if (counts->no_room)
		log_warn("%" PRIu64 " were left alone because more than %d call paths have failed.",
			 counts->no_room, INJECT_MAX_PATHS);
}

/* Returns the exit status. */
static int say_end(const struct outside *outside, uint32_t pid)
{
	int signal = WIFSIGNALED(outside->status) ? WTERMSIG(outside->status) : 0;

	if (!outside->has_ended)
		return EXIT_DONE;
	if (!signal) {
		log_warn("Process %" PRIu32 " has exited with status %d.", pid,
			 WEXITSTATUS(outside->status));
		return EXIT_DONE;
	}
	log_warn("Process %" PRIu32 " was ended by signal %d (%s).", pid, signal,
		 strsignal(signal));
	return 128 + signal;
}

static int append(const struct wire_head *record, void *data)
{
	return trace_writer__append(((struct run *)data)->writer, record);
}

/* Writes the names, and closes the recording. 0 or -errno, said. */
static int close_recording(struct run *run, int err)
{
	int close_err;

	if (!run->writer)
		return err;
	if (!err)
		err = bake__names(run->model, append, NULL, run);
	close_err = trace_writer__close(run->writer);
	run->writer = NULL;
	err = err ? err : close_err;
	if (err)
		log_err("Writing %s failed: %s. What was recorded until then is in it and can be "
			"read.",
			run->options->output, strerror(-err));
	return err;
}

/* Pumps to the end. Returns the exit status. */
static int watch(struct run *run, int fd)
{
	struct outside *outside = run->observer;
	struct inject_counts counts;
	int err;

	if (fd >= 0)
		run->writer = trace_writer__new(fd, run->options->output);
	err = fd >= 0 && !run->writer ? -ENOMEM : run__pump(run);
	fail_print__flush(&outside->print, run->model);
	run->source->inject_counts(run->source, &counts);
	err = close_recording(run, err);
	say_counts(&counts);
	if (run->model->nr_lost)
		log_warn("%" PRIu64 " events were lost: not each of them is listed.",
			 run->model->nr_lost);
	return err ? EXIT_CANNOT : say_end(outside, run->options->pids[0]);
}

static int open_and_watch(const struct options *options, const struct inject_rules *rules)
{
	struct outside outside = { .print = { .json = options->json },
				   .limit = fail_rules__limit(rules) };
	int status = EXIT_CANNOT, fd = -1;
	struct run run = { 0 };

	if (options->output)
		fd = run__create(options->output);
	if (options->output && fd < 0)
		return EXIT_CANNOT;
	if (!run__open(&run, options)) {
		run.observer = &outside;
		run.observe = observe;
		run.after_pump = after_pump;
		status = watch(&run, fd);
	}
	fail_print__clear(&outside.print);
	run__close(&run);
	if (fd >= 0)
		close(fd);
	return status;
}

/* 0, or -errno after saying why not. */
static int check_kernel(void)
{
	char why[160] = "";
	int err = target__check_privileges();

	if (err)
		return err;
	err = inject_trial__run(why, sizeof(why));
	if (err)
		log_err("This kernel does not let a probe change registers (%s), so calls of a "
			"process that runs already cannot be made to fail. Linux 6.18 and newer "
			"do, unless they were built to refuse it. What works here is `heaptap fail "
			"-- COMMAND`, which starts the program itself.",
			why);
	return err;
}

int fail_outside__run(const struct options *options)
{
	struct options with_rules = *options;
	struct inject_config config = { .only = options->only.all,
					.nr_only = options->only.nr,
					.ignore = options->ignore.all,
					.nr_ignore = options->ignore.nr };

	if (options->nr_pids != 1) {
		log_err("heaptap fail makes the calls of one process fail: name one by --pid "
			"(-p).");
		return EXIT_USAGE;
	}
	if (fail_rules__make(options, &config.rules))
		return EXIT_USAGE;
	if (check_kernel())
		return EXIT_CANNOT;
	with_rules.allocators.failing = true;
	with_rules.inject = &config;
	return open_and_watch(&with_rules, &config.rules);
}
