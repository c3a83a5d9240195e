// SPDX-License-Identifier: BSD-2-Clause
/*
 * The source behind `-p PID` and `-- COMMAND`: ring, mapping events and the ends of processes,
 * brought together into one stream. Reading order matters: the ring's head is noted first, then the
 * mapping events are read, then the ring up to that head, so a stack never comes before its
 * mappings.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "probe/keeper.h"
#include "source/bpf_source.h"

/* Ends taken from the epoll at a time. */
#define MAX_EVENTS 64

static struct bpf_source *self_of(const struct source *source)
{
	return (struct bpf_source *)source;
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

static void note_news(struct bpf_source *self, const struct wire_head *record)
{
	struct news *news;

	self->news =
		array__grow(self->news, self->nr_news, &self->news_capacity, sizeof(*self->news));
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

static void anchor(const struct source *source, uint64_t *monotonic_ns, uint64_t *realtime_ns)
{
	*monotonic_ns = clock__monotonic_ns();
	*realtime_ns = clock__realtime_ns();
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

static void inject_counts(const struct source *source, struct inject_counts *counts)
{
	engine__inject_counts(&self_of(source)->engine, counts);
}

void bpf_source__init(struct bpf_source *self)
{
	self->source = (struct source){ .pump = pump,
					.stop = stop,
					.module_fd = module_fd,
					.perf_map_fd = perf_map_fd,
					.wait_command = wait_command,
					.inject_counts = inject_counts,
					.print_stats = print_stats,
					.anchor = anchor,
					.close = close_source };
	self->command_status = -1;
}
