// SPDX-License-Identifier: BSD-2-Clause
/*
 * The source behind `-p PID` and `-- COMMAND`: probes, ring, mapping events and the target's own
 * end, brought together into one stream. Reading order matters: the ring's head is noted first,
 * then the mapping events are read, then the ring up to that head, so a stack never comes before
 * its mappings.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "probe/guard.h"
#include "probe/launch.h"
#include "probe/target.h"
#include "source/engine.h"
#include "source/jitmap.h"
#include "source/mapevents.h"
#include "source/mappings.h"
#include "source/queue.h"
#include "source/source.h"
#include "source/walks.h"

struct bpf_source {
	struct source source;
	struct target target;
	struct engine engine;
	struct mapevents events;
	struct mappings mappings;
	struct jitmap jitmap;
	size_t nr_generated_seen; /* of mappings.nr_generated */
	struct queue queue;
	struct walks walks;
	struct guard guard;
	pid_t child; /* launched; 0: none, or collected */
	int child_status;
	int epoll;
	uint32_t target_flags; /* WIRE_TARGET_* */
	bool exec_seen, stopping, ended;
	uint64_t nr_lost_told;
	/* Where records go while the source is pumped. */
	record_fn take;
	void *take_data;
};

static struct bpf_source *self_of(const struct source *source)
{
	return (struct bpf_source *)source;
}

/* Each file the target maps stays open here. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void add_mapping(const struct target_mapping *mapping, uint64_t time_ns, void *data)
{
	mappings__add(data, mapping, time_ns);
}

static void read_mapevents(struct bpf_source *self)
{
	mapevents__drain(&self->events, self->target.pid, add_mapping, &self->mappings);
	if (self->events.lost) {
		self->events.lost = false;
		mappings__scan(&self->mappings);
	}
	mappings__publish(&self->mappings);
	/* Whoever generates code has opened its map by now, most likely; later it may be gone. */
	if (self->nr_generated_seen != self->mappings.nr_generated) {
		self->nr_generated_seen = self->mappings.nr_generated;
		jitmap__look(&self->jitmap, &self->target);
	}
}

static bool target_has_ended(const struct bpf_source *self)
{
	struct pollfd pidfd = { .fd = self->target.pidfd, .events = POLLIN };

	return poll(&pidfd, 1, 0) > 0;
}

/* Wakes the pump when the target ends. */
static void watch_end(struct bpf_source *self)
{
	struct epoll_event event = { .events = EPOLLIN };

	epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->target.pidfd, &event);
}

/* Wakes the pump when the programs say so, not whenever there is a record: hence edge-triggered. */
static void watch_ring(struct bpf_source *self)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->engine.ring.fd, &event);
}

static int take_from_ring(const struct wire_head *record, void *data)
{
	struct bpf_source *self = data;

	if (record->type == WIRE_EXEC)
		self->exec_seen = true;
	if (record->type == WIRE_STACK)
		walks__note(&self->walks, (const struct wire_stack *)record);
	if (record->type == WIRE_WALK)
		record = walks__finish(&self->walks, (const struct wire_walk *)record);
	return record ? self->take(record, self->take_data) : 0;
}

static void send_target(struct bpf_source *self)
{
	const struct target *target = &self->target;
	struct wire_target record = {
		.started_ns = target->started_ns,
		.attached_ns = clock__monotonic_ns(),
		.exe_len = (uint32_t)min(strlen(target->exe), (size_t)WIRE_MAX_STRING),
		.cmdline_len = (uint32_t)min(target->cmdline_len, (size_t)WIRE_MAX_STRING),
		.flags = self->target_flags,
	};

	queue__add(&self->queue, WIRE_TARGET, target->pid, &record, sizeof(record), target->exe,
		   record.exe_len, target->cmdline, record.cmdline_len);
}

/* The target is another program now. Should it be gone already, the old names stay. */
static void tell_exec(struct bpf_source *self)
{
	uint32_t epoch = engine__epoch(&self->engine);
	struct target target;

	self->exec_seen = false;
	if (target_has_ended(self) || target__open(self->target.pid, &target))
		return;
	target__close(&self->target);
	self->target = target;
	watch_end(self);
	send_target(self);
	mappings__restart(&self->mappings);
	engine__set_tables_epoch(&self->engine, epoch);
}

static void tell_losses(struct bpf_source *self)
{
	uint64_t nr_lost = engine__nr_lost(&self->engine);
	struct wire_lost record = { .time_ns = clock__monotonic_ns(),
				    .events = nr_lost - self->nr_lost_told };

	if (!record.events)
		return;
	self->nr_lost_told = nr_lost;
	queue__add(&self->queue, WIRE_LOST, self->target.pid, &record, sizeof(record), NULL, 0,
		   NULL, 0);
}

/* Once the ring has room again the target may go on. */
static void continue_target(struct bpf_source *self)
{
	volatile uint32_t *stopped = engine__stopped(&self->engine);

	if (!*stopped || ring__waiting(&self->engine.ring) > self->engine.ring.size / 8)
		return;
	*stopped = 0;
	syscall(SYS_pidfd_send_signal, self->target.pidfd, SIGCONT, NULL, 0);
}

/* Hands on everything there is now. The number of records from the ring, or -errno. */
static long drain(struct bpf_source *self)
{
	uint64_t head = ring__head(&self->engine.ring);
	long nr;
	int err;

	read_mapevents(self);
	tell_losses(self);
	err = queue__take(&self->queue, self->take, self->take_data);
	if (err)
		return err;
	nr = ring__take(&self->engine.ring, head, take_from_ring, self);
	continue_target(self);
	if (self->exec_seen)
		tell_exec(self);
	return nr;
}

static void collect_child(struct bpf_source *self, int options)
{
	int status;

	if (self->child > 0 && waitpid(self->child, &status, options) == self->child) {
		self->child = 0;
		self->child_status = status;
	}
}

static int finish(struct bpf_source *self)
{
	struct wire_end record = { .time_ns = clock__monotonic_ns(),
				   .reason = self->stopping ? WIRE_END_STOPPED : WIRE_END_EXITED };
	long nr;

	engine__unwatch(&self->engine);
	engine__detach(&self->engine);
	do {
		nr = drain(self);
	} while (nr > 0);
	if (nr < 0)
		return (int)nr;
	collect_child(self, WNOHANG);
	if (record.reason == WIRE_END_EXITED && self->child_status >= 0)
		record.status = (uint32_t)self->child_status;
	queue__add(&self->queue, WIRE_END, self->target.pid, &record, sizeof(record), NULL, 0, NULL,
		   0);
	self->ended = true;
	return queue__take(&self->queue, self->take, self->take_data);
}

static int pump(struct source *source, int timeout_ms, record_fn take, void *data)
{
	struct bpf_source *self = self_of(source);
	struct epoll_event event;
	bool ended;
	long nr;

	if (self->ended)
		return 0;
	self->take = take;
	self->take_data = data;
	ended = self->stopping || target_has_ended(self);
	nr = drain(self);
	if (nr < 0)
		return (int)nr;
	if (ended)
		return finish(self);
	epoll_wait(self->epoll, &event, 1, timeout_ms);
	return 1;
}

static void stop(struct source *source)
{
	struct bpf_source *self = self_of(source);

	engine__unwatch(&self->engine);
	engine__detach(&self->engine);
	self->stopping = true;
}

static int module_fd(const struct source *source, uint32_t module)
{
	return mappings__module_fd(&self_of(source)->mappings, module);
}

static int perf_map_fd(struct source *source)
{
	struct bpf_source *self = self_of(source);

	if (self->mappings.nr_generated)
		jitmap__look(&self->jitmap, &self->target);
	return self->jitmap.fd;
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

	collect_child(self, 0);
	return self->child_status;
}

static void close_source(struct source *source)
{
	struct bpf_source *self = self_of(source);

	if (self->engine.skeleton)
		engine__close(&self->engine);
	if (self->epoll >= 0)
		close(self->epoll);
	guard__end(&self->guard);
	walks__clear(&self->walks);
	mapevents__close(&self->events);
	mappings__clear(&self->mappings);
	jitmap__close(&self->jitmap);
	queue__clear(&self->queue);
	target__close(&self->target);
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
	self->target.pidfd = -1;
	jitmap__init(&self->jitmap);
	self->child_status = -1;
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (engine__open(&self->engine, config)) {
		close_source(&self->source);
		return NULL;
	}
	walks__init(&self->walks, &self->engine.tables);
	err = mapevents__open(&self->events);
	if (err) {
		log_err("The kernel's mapping events cannot be had: %s.", strerror(-err));
		close_source(&self->source);
		return NULL;
	}
	return self;
}

/* The programs stay the ones they are: what hangs on them can be set up. */
static void settle(struct bpf_source *self)
{
	int err;

	watch_ring(self);
	watch_end(self);
	mapevents__watch(&self->events, self->epoll);
	if (!self->engine.config.lossless)
		return;
	err = guard__start(&self->guard, self->target.pidfd, engine__stopped(&self->engine));
	if (err)
		log_warn("No guard process could be started (%s): should heaptap be killed, "
			 "continue process %d by `kill -CONT %d`.",
			 strerror(-err), self->target.pid, self->target.pid);
}

struct source *bpf_source__attach(const struct bpf_source_config *config, pid_t pid)
{
	struct bpf_source *self;
	struct target target;

	if (target__open(pid, &target))
		return NULL;
	if (target__check_privileges()) {
		target__close(&target);
		return NULL;
	}
	self = new_source(config);
	if (!self) {
		target__close(&target);
		return NULL;
	}
	self->target = target;
	raise_file_limit();
	mappings__init(&self->mappings, &self->engine, &self->queue, &self->walks, pid);
	jitmap__note(&self->jitmap, &self->target);
	send_target(self);
	mappings__scan(&self->mappings);
	if (target_has_ended(self)) {
		log_err("Process %d ended while heaptap attached to it.", pid);
	} else if (self->mappings.probe_error) {
		log_err("The allocator functions of process %d could not be probed: %s. Run "
			"`heaptap doctor -p %d` to see why.",
			pid, strerror(-self->mappings.probe_error), pid);
	} else if (!self->mappings.nr_probed) {
		log_err("No allocator that heaptap knows was found in process %d (%s). Run "
			"`heaptap doctor -p %d` to see where it looked.",
			pid, target.exe, pid);
	} else {
		settle(self);
		engine__watch(&self->engine, pid);
		return &self->source;
	}
	close_source(&self->source);
	return NULL;
}

/* Runs the command through its loader, probing what it maps before any of it runs. */
static int load_command(struct bpf_source *self, struct launch *launch)
{
	int event;

	do {
		mappings__scan(&self->mappings);
		event = launch__next(launch);
	} while (event == LAUNCH_MAPPED);
	if (event == LAUNCH_ENDED) {
		self->child = 0;
		self->child_status = launch->status;
	}
	return event < 0 ? event : 0;
}

struct source *bpf_source__launch(const struct bpf_source_config *config, char **command)
{
	struct bpf_source *self;
	struct launch launch;
	int err;

	if (target__check_privileges())
		return NULL;
	self = new_source(config);
	if (!self)
		return NULL;
	if (launch__start(&launch, command)) {
		close_source(&self->source);
		return NULL;
	}
	self->child = launch.pid;
	raise_file_limit(); /* not before: the command would inherit it */
	err = target__open(launch.pid, &self->target);
	if (!err) {
		mappings__init(&self->mappings, &self->engine, &self->queue, &self->walks,
			       launch.pid);
		jitmap__note(&self->jitmap, &self->target);
		self->target_flags = WIRE_TARGET_LAUNCHED;
		send_target(self);
		engine__watch(&self->engine, launch.pid);
		err = load_command(self, &launch);
	}
	if (err) {
		log_err("%s could not be traced while it was loaded: %s.", command[0],
			strerror(-err));
		kill(launch.pid, SIGKILL);
		close_source(&self->source);
		return NULL;
	}
	settle(self);
	if (self->mappings.probe_error)
		log_err("The allocator functions of %s could not be probed: %s. Run `heaptap "
			"doctor` to see why.",
			command[0], strerror(-self->mappings.probe_error));
	else if (!self->mappings.nr_probed)
		log_warn("No allocator that heaptap knows was found in %s: its heap stays unseen.",
			 command[0]);
	return &self->source;
}
