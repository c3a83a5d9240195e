// SPDX-License-Identifier: BSD-2-Clause
/*
 * The source behind `--engine preload -- COMMAND`: the rings of all processes of a run, brought
 * together into one stream. Reading order matters: it is looked who has ended, then rings are asked
 * for, then they are read, so that nothing of a process comes after its end.
 */
#include "source/preload_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "source/memory.h"

#define SAMPLE_NS NSEC_PER_SEC
/* How long it sleeps while events come. */
#define SHORT_NAP_MS 1
/* Rings taken over in one round, so that many short processes do not keep others waiting. */
#define MAX_GREETINGS 256
/* After the end, what is under way may still be finished. */
#define FINISH_NS  (NSEC_PER_SEC / 2)
#define MAX_EVENTS 64

static struct preload_source *self_of(const struct source *source)
{
	return (struct preload_source *)source;
}

/* False: there may be more. */
static bool greet_all(struct preload_source *self)
{
	pid_t pid;

	for (int i = 0; i < MAX_GREETINGS; i++) {
		int fd = ring_socket__take(&self->socket, &pid);

		if (fd < 0)
			return true;
		preloaded__greet(self, pid, fd);
	}
	return false;
}

static bool is_drained(const struct preloaded *process)
{
	return !process->images || (process->images->drained && !process->images->next);
}

/* Ends those that had ended before their rings were emptied. */
static void end_processes(struct preload_source *self)
{
	size_t i = 0;

	while (i < self->nr) {
		struct preloaded *process = self->list[i];

		if (process->begun && process->ended_round && is_drained(process))
			preloaded__end(self, process, WIRE_END_EXITED);
		else
			i++;
	}
}

static void sample_memory(struct preload_source *self)
{
	uint64_t now_ns = clock__monotonic_ns();

	if (now_ns - self->sampled_ns < SAMPLE_NS)
		return;
	self->sampled_ns = now_ns;
	for (size_t i = 0; i < self->nr; i++)
		if (self->list[i]->begun)
			memory__sample(&self->queue, self->list[i]->pid);
}

/* Hands on all there is now. 0, or -errno. */
static int do_round(struct preload_source *self, bool force)
{
	bool all_greeted;
	int err = 0;

	self->round++;
	preloaded__look(self);
	all_greeted = greet_all(self);
	for (size_t i = 0; !err && i < self->nr; i++)
		if (preloaded__begin(self, self->list[i], force))
			err = preloaded__drain(self, self->list[i]);
	sample_memory(self);
	if (!err && all_greeted)
		preload_execs__look(self, false);
	if (!err)
		end_processes(self);
	return err ? err : queue__take(&self->queue, self->take, self->take_data);
}

/* Nothing that comes later counts. */
static void stop_all(struct preload_source *self)
{
	for (size_t i = 0; i < self->nr; i++) {
		struct image *image = self->list[i]->images;

		for (; image; image = image->next) {
			shared_ring__stop(&image->ring);
			if (image->limited)
				continue;
			image->until = shared_ring__head(&image->ring);
			image->limited = true;
		}
	}
}

static bool all_drained(const struct preload_source *self)
{
	for (size_t i = 0; i < self->nr; i++)
		if (!is_drained(self->list[i]))
			return false;
	return true;
}

static int finish(struct preload_source *self)
{
	struct wire_end record = { .reason = self->stopping ? WIRE_END_STOPPED : WIRE_END_EXITED };
	uint64_t deadline_ns = clock__monotonic_ns() + FINISH_NS;
	int err;

	self->stopping = true;
	stop_all(self);
	do {
		err = do_round(self, true);
		if (!err && !all_drained(self))
			usleep(SHORT_NAP_MS * 1000);
	} while (!err && !all_drained(self) && clock__monotonic_ns() < deadline_ns);
	if (err)
		return err;
	preload_execs__look(self, true);
	while (self->nr)
		preloaded__end(self, self->list[0], WIRE_END_STOPPED);
	if (!self->any_image)
		log_warn("Nothing was seen of %s: it has not loaded heaptap's library. Is it "
			 "started by something that clears the environment?",
			 self->command_name);
	record.time_ns = clock__monotonic_ns();
	queue__add(&self->queue, WIRE_END, 0, &record, sizeof(record), NULL, 0, NULL, 0);
	self->ended = true;
	return queue__take(&self->queue, self->take, self->take_data);
}

/* Has all that was asked for ended? */
static bool is_done(const struct preload_source *self)
{
	if (!self->config.to_the_last)
		return !preloaded__find(self, self->command);
	return !self->nr;
}

static void wait_for_events(struct preload_source *self, int timeout_ms, bool busy)
{
	struct epoll_event events[MAX_EVENTS];

	epoll_wait(self->epoll, events, MAX_EVENTS,
		   busy ? min(timeout_ms, SHORT_NAP_MS) : timeout_ms);
}

static int pump(struct source *source, int timeout_ms, record_fn take, void *data)
{
	struct preload_source *self = self_of(source);
	uint64_t nr_before = self->nr_records;
	int err;

	if (self->ended)
		return 0;
	self->take = take;
	self->take_data = data;
	err = self->stopping ? 0 : do_round(self, false);
	if (err)
		return err;
	if (self->stopping || is_done(self)) {
		err = finish(self);
		return err ? err : !self->ended;
	}
	wait_for_events(self, timeout_ms, self->nr_records != nr_before);
	return 1;
}

static void stop(struct source *source)
{
	struct preload_source *self = self_of(source);

	/* What begins from now on finds that nobody listens. */
	greet_all(self);
	stop_all(self);
	self->stopping = true;
}

static int module_fd(const struct source *source, uint32_t module)
{
	return stream_ids__fd(&self_of(source)->ids, module);
}

static int perf_map_fd(struct source *source)
{
	return -1;
}

static int wait_command(struct source *source)
{
	struct preload_source *self = self_of(source);

	preload_source__collect(self, 0);
	return self->command_status;
}

static void print_stats(const struct source *source)
{
	const struct preload_source *self = self_of(source);

	fprintf(stderr,
		"Programs that loaded the library: %" PRIu64 "; records taken: %" PRIu64
		"; stacks: %" PRIu32 ".\n",
		self->nr_rings, self->nr_records, self->ids.nr_stacks);
}

static void anchor(const struct source *source, uint64_t *monotonic_ns, uint64_t *realtime_ns)
{
	*monotonic_ns = clock__monotonic_ns();
	*realtime_ns = clock__realtime_ns();
}

static void close_source(struct source *source)
{
	struct preload_source *self = self_of(source);

	preloaded__free_all(self);
	preload_execs__clear(&self->execs);
	ring_socket__close(&self->socket);
	if (self->epoll >= 0)
		close(self->epoll);
	stream_ids__clear(&self->ids);
	queue__clear(&self->queue);
	free(self->command_name);
	free(self->library);
	free(self);
}

void preload_source__init(struct preload_source *self)
{
	self->source = (struct source){ .pump = pump,
					.stop = stop,
					.module_fd = module_fd,
					.perf_map_fd = perf_map_fd,
					.wait_command = wait_command,
					.print_stats = print_stats,
					.anchor = anchor,
					.close = close_source };
	self->command_status = -1;
	self->epoll = self->socket.fd = -1;
}
