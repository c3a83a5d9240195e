// SPDX-License-Identifier: BSD-2-Clause
/*
 * The source behind `-p PID` and `-- COMMAND`: probes, ring, mapping events and the ends of
 * processes, brought together into one stream. Reading order matters: the ring's head is noted first,
 * then the mapping events are read, then the ring up to that head, so a stack never comes before
 * its mappings.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "follow_abi.h"
#include "probe/keeper.h"
#include "probe/launch.h"
#include "probe/target.h"
#include "source/engine.h"
#include "source/mapevents.h"
#include "source/processes.h"
#include "source/queue.h"
#include "source/source.h"
#include "source/walks.h"

/* Ends taken from the epoll at a time. */
#define MAX_EVENTS 64

struct bpf_source {
	struct source source;
	struct engine engine;
	struct processes processes;
	struct mapevents events;
	struct queue queue;
	struct walks walks;
	pid_t command;	     /* launched; 0: none */
	bool command_exists; /* it was not collected yet */
	int command_status;
	int epoll;
	bool stopping, ended;
	uint64_t nr_lost_told;
	/* What the ring told of processes, to be seen to when its records were handed on. */
	struct news {
		uint32_t type;
		struct wire_fork fork; /* of the other types, the head only */
	} *news;
	size_t nr_news, news_capacity;
	/* Where records go while the source is pumped. */
	record_fn take;
	void *take_data;
};

static struct bpf_source *self_of(const struct source *source)
{
	return (struct bpf_source *)source;
}

/* Each file that is mapped stays open here. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void add_mapping(pid_t pid, const struct target_mapping *mapping, uint64_t time_ns,
			void *data)
{
	struct watched *watched = processes__find(data, pid);

	if (watched && watched->is_probed)
		mappings__add(&watched->mappings, mapping, time_ns);
}

static void read_mapevents(struct bpf_source *self)
{
	mapevents__drain(&self->events, add_mapping, &self->processes);
	for (size_t i = 0; i < self->processes.nr; i++) {
		struct watched *watched = self->processes.list[i];

		if (!watched->is_probed)
			continue;
		if (self->events.lost)
			mappings__scan(&watched->mappings);
		mappings__publish(&watched->mappings);
		/* Whoever generates code has opened its map by now, most likely; later it may be
		 * gone. */
		if (watched->nr_generated_seen != watched->mappings.nr_generated) {
			watched->nr_generated_seen = watched->mappings.nr_generated;
			jitmap__look(&watched->jitmap, &watched->target);
		}
	}
	self->events.lost = false;
}

/* Wakes the pump when the programs say so, not whenever there is a record: hence edge-triggered. */
static void watch_ring(struct bpf_source *self)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->engine.ring.fd, &event);
}

static void note_news(struct bpf_source *self, const struct wire_head *record)
{
	struct news *news;

	self->news = array__grow(self->news, self->nr_news, &self->news_capacity,
				 sizeof(*self->news));
	news = &self->news[self->nr_news++];
	*news = (struct news){ .type = record->type };
	if (record->type == WIRE_FORK)
		news->fork = *(const struct wire_fork *)record;
	else
		news->fork.head = *record;
}

/* The stack of a walk that the kernel could not finish. NULL: none is to be handed on. */
static const struct wire_head *finish_walk(struct bpf_source *self, const struct wire_head *record)
{
	const struct watched *watched = processes__find(&self->processes, (pid_t)record->pid);
	struct walked_process process;

	if (!watched || !watched->is_probed)
		return NULL;
	process = (struct walked_process){ &watched->mappings.space, watched->mappings.finish };
	return walks__finish(&self->walks, &process, (const struct wire_walk *)record);
}

static int take_from_ring(const struct wire_head *record, void *data)
{
	struct bpf_source *self = data;

	switch (record->type) {
	case WIRE_FORK:
	case WIRE_EXEC:
		note_news(self, record);
		break;
	case WIRE_HELD:
		note_news(self, record);
		return 0;
	case WIRE_STACK:
		walks__note(&self->walks, (const struct wire_stack *)record);
		break;
	case WIRE_WALK:
		record = finish_walk(self, record);
		break;
	}
	return record ? self->take(record, self->take_data) : 0;
}

static void see_to_news(struct bpf_source *self)
{
	for (size_t i = 0; i < self->nr_news; i++) {
		const struct wire_fork *fork = &self->news[i].fork;
		pid_t pid = (pid_t)fork->head.pid;

		if (self->news[i].type == WIRE_FORK)
			processes__forked(&self->processes, fork);
		else if (self->news[i].type == WIRE_EXEC)
			processes__execed(&self->processes, pid);
		else
			processes__loaded(&self->processes, pid);
	}
	self->nr_news = 0;
}

static void tell_losses(struct bpf_source *self)
{
	uint64_t nr_lost = engine__nr_lost(&self->engine);
	struct wire_lost record = { .time_ns = clock__monotonic_ns(),
				    .events = nr_lost - self->nr_lost_told };

	if (!record.events)
		return;
	self->nr_lost_told = nr_lost;
	queue__add(&self->queue, WIRE_LOST, 0, &record, sizeof(record), NULL, 0, NULL, 0);
}

/* Once the ring has room again who was stopped for it may go on. */
static void continue_stopped(struct bpf_source *self)
{
	volatile uint32_t *stopped = engine__stopped(&self->engine);

	if (!*stopped || ring__waiting(&self->engine.ring) > self->engine.ring.size / 8)
		return;
	*stopped = 0;
	processes__continue(&self->processes);
}

/* Hands on everything there is now. The number of records from the ring, or -errno. */
static long drain(struct bpf_source *self)
{
	uint64_t head = ring__head(&self->engine.ring);
	long nr;
	int err;

	read_mapevents(self);
	tell_losses(self);
	processes__sample_memory(&self->processes);
	err = queue__take(&self->queue, self->take, self->take_data);
	if (err)
		return err;
	nr = ring__take(&self->engine.ring, head, take_from_ring, self);
	continue_stopped(self);
	see_to_news(self);
	return nr;
}

static void collect_command(struct bpf_source *self, int options)
{
	int status;

	if (self->command_exists && waitpid(self->command, &status, options) == self->command) {
		self->command_exists = false;
		self->command_status = status;
	}
}

static void end_process(struct bpf_source *self, struct watched *watched, uint32_t reason)
{
	uint32_t status = 0;

	if (watched->target.pid == self->command && reason == WIRE_END_EXITED) {
		collect_command(self, WNOHANG);
		status = self->command_status < 0 ? 0 : (uint32_t)self->command_status;
	}
	processes__end(&self->processes, watched, reason, status);
}

/* Those that had ended before the ring was emptied: it holds nothing more of them. */
static void end_processes(struct bpf_source *self)
{
	size_t i = 0;

	while (i < self->processes.nr) {
		if (self->processes.list[i]->has_ended)
			end_process(self, self->processes.list[i], WIRE_END_EXITED);
		else
			i++;
	}
}

static int finish(struct bpf_source *self)
{
	struct wire_end record = { .reason = self->stopping ? WIRE_END_STOPPED : WIRE_END_EXITED };
	long nr;

	engine__unwatch(&self->engine);
	do {
		nr = drain(self);
	} while (nr > 0);
	if (nr < 0)
		return (int)nr;
	while (self->processes.nr)
		end_process(self, self->processes.list[0], WIRE_END_STOPPED);
	keeper__wait();
	record.time_ns = clock__monotonic_ns();
	queue__add(&self->queue, WIRE_END, 0, &record, sizeof(record), NULL, 0, NULL, 0);
	self->ended = true;
	return queue__take(&self->queue, self->take, self->take_data);
}

/* Waits for news; what has ended is marked. */
static void wait_for_events(struct bpf_source *self, int timeout_ms)
{
	struct epoll_event events[MAX_EVENTS];
	int nr = epoll_wait(self->epoll, events, MAX_EVENTS, timeout_ms);

	for (int i = 0; i < nr; i++) {
		struct watched *watched = events[i].data.ptr;

		if (watched)
			watched->has_ended = true;
	}
}

/* Has all that was asked for ended? */
static bool is_done(const struct bpf_source *self)
{
	if (self->command && !self->engine.config.to_the_last)
		return !processes__find(&self->processes, self->command);
	return !self->processes.nr;
}

static int pump(struct source *source, int timeout_ms, record_fn take, void *data)
{
	struct bpf_source *self = self_of(source);
	long nr;

	if (self->ended)
		return 0;
	self->take = take;
	self->take_data = data;
	nr = drain(self);
	if (nr < 0)
		return (int)nr;
	end_processes(self);
	if (self->stopping || is_done(self))
		return finish(self);
	wait_for_events(self, timeout_ms);
	return 1;
}

static void stop(struct source *source)
{
	struct bpf_source *self = self_of(source);

	engine__unwatch(&self->engine);
	self->stopping = true;
}

static int module_fd(const struct source *source, uint32_t module)
{
	return files__fd(&self_of(source)->processes.files, module);
}

static int perf_map_fd(struct source *source)
{
	return processes__perf_map(&self_of(source)->processes);
}

static void print_stats(const struct source *source)
{
	struct bpf_source *self = self_of(source);
	const struct walk_counts *walks = &self->walks.counts;
	struct engine_counts counts = engine__counts(&self->engine);

	fprintf(stderr,
		"Stacks: %" PRIu64 " distinct sent; walks cut at %d frames: %" PRIu64
		", at code without unwind information: %" PRIu64
		", at memory that makes no sense: %" PRIu64 ".\n"
		"Walks finished in userspace: %" PRIu64 " shipped, %" PRIu64
		" completed by tables, %" PRIu64 " by libdwfl.\n",
		counts.stacks, WIRE_MAX_FRAMES, counts.cut, counts.gap, counts.lost, walks->shipped,
		walks->by_tables, walks->by_libdwfl);
	if (counts.not_kept)
		fprintf(stderr,
			"The kernel's table of stacks was full: %" PRIu64
			" stacks were sent more than once.\n",
			counts.not_kept);
	if (walks->checked)
		fprintf(stderr,
			"Checked against libdwfl: %" PRIu64
			" stacks; equal to the outermost frame: "
			"%" PRIu64 ", equal as far as compared: %" PRIu64
			", cut and marked: %" PRIu64 ", different: %" PRIu64 ".\n",
			walks->checked, walks->equal, walks->agreeing, walks->cut,
			walks->different);
}

static int wait_command(struct source *source)
{
	struct bpf_source *self = self_of(source);

	collect_command(self, 0);
	return self->command_status;
}

static void close_source(struct source *source)
{
	struct bpf_source *self = self_of(source);

	if (self->engine.skeleton) {
		processes__clear(&self->processes);
		engine__close(&self->engine);
	}
	if (self->epoll >= 0)
		close(self->epoll);
	mapevents__close(&self->events);
	keeper__end();
	queue__clear(&self->queue);
	free(self->news);
	free(self);
}

static struct bpf_source *new_source(const struct bpf_source_config *config)
{
	struct bpf_source *self = xcalloc(1, sizeof(*self));
	int err;

	self->source = (struct source){ .pump = pump,
					.stop = stop,
					.module_fd = module_fd,
					.perf_map_fd = perf_map_fd,
					.wait_command = wait_command,
					.print_stats = print_stats,
					.close = close_source };
	self->command_status = -1;
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	keeper__start();
	if (engine__open(&self->engine, config)) {
		close_source(&self->source);
		return NULL;
	}
	keeper__watch(engine__followed_fd(&self->engine), engine__processes_fd(&self->engine));
	walks__init(&self->walks, &self->engine.tables);
	processes__init(&self->processes, &self->engine, &self->queue, self->epoll);
	err = mapevents__open(&self->events);
	if (err) {
		log_err("The kernel's mapping events cannot be had: %s.", strerror(-err));
		close_source(&self->source);
		return NULL;
	}
	watch_ring(self);
	mapevents__watch(&self->events, self->epoll);
	return self;
}

/* Watches one of the processes asked for. 0; or -errno after saying why not. */
static int attach_one(struct bpf_source *self, pid_t pid)
{
	const struct bpf_source_config *config = &self->engine.config;
	uint32_t flags = config->follow ? FOLLOW_CHILDREN : 0;
	const struct mappings *mappings;
	struct target target;
	const char *why;
	int err;

	if (processes__find(&self->processes, pid))
		return 0;
	err = target__open(pid, &target);
	if (err)
		return err;
	if (config->lossless || !target__has_shell(&target))
		flags |= FOLLOW_MAY_STOP;
	err = processes__add(&self->processes, &target, 0, flags);
	if (err)
		return err;
	mappings = &processes__find(&self->processes, pid)->mappings;
	why = files__why_none(&self->processes.files);
	if (mappings->probe_error)
		log_err("The allocator functions of process %d could not be probed: %s. Run "
			"`heaptap doctor -p %d` to see why.",
			pid, strerror(-mappings->probe_error), pid);
	else if (!mappings->nr_probed && why)
		log_err("%s", why);
	else if (!mappings->nr_probed)
		log_err("No allocator that heaptap knows was found in process %d (%s). Run "
			"`heaptap doctor -p %d` to see where it looked.",
			pid, processes__find(&self->processes, pid)->target.exe, pid);
	return mappings->probe_error || !mappings->nr_probed ? -ENOENT : 0;
}

struct source *bpf_source__attach(const struct bpf_source_config *config, const pid_t *pids,
				  size_t nr_pids)
{
	struct bpf_source_config with_room = *config;
	struct bpf_source *self = NULL;
	int err = target__check_privileges();
	size_t nr_attached = 0;

	/* What is wrong with the only process is said before anything is loaded. */
	if (!err && nr_pids == 1) {
		struct target target;

		err = target__open(pids[0], &target);
		if (!err)
			target__close(&target);
	}
	with_room.many = config->follow || nr_pids > 1;
	if (!err)
		self = new_source(&with_room);
	if (!self)
		return NULL;
	raise_file_limit();
	for (size_t i = 0; i < nr_pids; i++)
		nr_attached += !attach_one(self, pids[i]);
	if (!nr_attached) {
		close_source(&self->source);
		return NULL;
	}
	engine__watch(&self->engine);
	return &self->source;
}

/* Runs the command through its loader, probing what it maps before any of it runs. */
static int load_command(struct bpf_source *self, struct launch *launch)
{
	struct watched *watched = processes__find(&self->processes, launch->pid);
	int event;

	do {
		mappings__scan(&watched->mappings);
		event = launch__next(launch);
	} while (event == LAUNCH_MAPPED);
	if (event == LAUNCH_ENDED) {
		self->command_exists = false;
		self->command_status = launch->status;
	}
	return event < 0 ? event : 0;
}

static void say_what_was_found(const struct mappings *mappings, const char *command)
{
	const char *why = files__why_none(mappings->files);

	if (mappings->probe_error)
		log_err("The allocator functions of %s could not be probed: %s. Run `heaptap "
			"doctor` to see why.",
			command, strerror(-mappings->probe_error));
	else if (!mappings->nr_probed && why)
		log_warn("%s", why);
	else if (!mappings->nr_probed)
		log_warn("No allocator that heaptap knows was found in %s: its heap stays unseen.",
			 command);
}

struct source *bpf_source__launch(const struct bpf_source_config *config, char **command)
{
	struct bpf_source_config with_room = *config;
	struct bpf_source *self;
	struct launch launch;
	struct target target;
	int err;

	if (target__check_privileges())
		return NULL;
	with_room.many = config->follow;
	self = new_source(&with_room);
	if (!self)
		return NULL;
	if (launch__start(&launch, command)) {
		close_source(&self->source);
		return NULL;
	}
	self->command = launch.pid;
	self->command_exists = true;
	raise_file_limit(); /* not before: the command would inherit it */
	err = target__open(launch.pid, &target);
	if (!err) {
		engine__watch(&self->engine);
		err = processes__add(&self->processes, &target, WIRE_TARGET_LAUNCHED,
				     FOLLOW_MAY_STOP | (config->follow ? FOLLOW_CHILDREN : 0));
	}
	if (!err)
		err = load_command(self, &launch);
	if (err) {
		log_err("%s could not be traced while it was loaded: %s.", command[0],
			strerror(-err));
		kill(launch.pid, SIGKILL);
		close_source(&self->source);
		return NULL;
	}
	say_what_was_found(&processes__find(&self->processes, launch.pid)->mappings, command[0]);
	return &self->source;
}
