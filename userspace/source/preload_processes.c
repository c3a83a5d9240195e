// SPDX-License-Identifier: BSD-2-Clause
/* The processes of a run: how they begin, what they exec, how they end. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "probe/exit_status.h"
#include "probe/target.h"
#include "source/preload_source.h"

/* Processes and images at a time at most, whatever a run starts or claims. */
#define MAX_PROCESSES 16384
#define MAX_IMAGES    64
/* A forked child whose parent does not tell of it begins by itself. */
#define PARENT_GRACE_NS (NSEC_PER_SEC * 2)
/* Where there are no pidfds, /proc is asked so often. */
#define LOOK_NS (NSEC_PER_SEC / 20)

struct preloaded *preloaded__find(const struct preload_source *self, pid_t pid)
{
	const uint64_t *index = hmap__find(&self->by_pid, (uint64_t)pid);

	return index ? self->list[*index] : NULL;
}

struct preloaded *preloaded__add(struct preload_source *self, pid_t pid)
{
	struct preloaded *process;
	struct epoll_event event = { .events = EPOLLIN };

	if (self->nr >= MAX_PROCESSES)
		return NULL;
	process = xcalloc(1, sizeof(*process));
	process->pid = pid;
	process->since_ns = clock__monotonic_ns();
	process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process->pidfd < 0 && errno == ESRCH)
		process->ended_round = self->round;
	event.data.ptr = process;
	if (process->pidfd >= 0)
		epoll_ctl(self->epoll, EPOLL_CTL_ADD, process->pidfd, &event);
	self->list = array__grow(self->list, self->nr, &self->capacity, sizeof(*self->list));
	hmap__set(&self->by_pid, (uint64_t)pid, self->nr);
	self->list[self->nr++] = process;
	return process;
}

static void free_image(struct image *image)
{
	shared_ring__close(&image->ring);
	local_ids__clear(&image->ids);
	free(image);
}

static void free_process(struct preloaded *process)
{
	while (process->images) {
		struct image *image = process->images;

		process->images = image->next;
		free_image(image);
	}
	if (process->pidfd >= 0)
		close(process->pidfd);
	free(process->target);
	free(process);
}

void preloaded__free_all(struct preload_source *self)
{
	for (size_t i = 0; i < self->nr; i++)
		free_process(self->list[i]);
	free(self->list);
	self->list = NULL;
	self->nr = 0;
	hmap__clear(&self->by_pid);
}

void preloaded__keep_target(struct preloaded *process, const struct wire_target *record)
{
	process->target = xrealloc(process->target, record->head.size);
	memcpy(process->target, record, record->head.size);
}

void preloaded__tell(struct preload_source *self, struct preloaded *process, uint32_t flags,
		     const char *exe, const char *cmdline, size_t cmdline_len)
{
	struct wire_target record = {
		.started_ns = clock__realtime_ns(),
		.attached_ns = clock__monotonic_ns(),
		.exe_len = (uint32_t)min(strlen(exe), (size_t)WIRE_MAX_STRING),
		.cmdline_len = (uint32_t)min(cmdline_len, (size_t)WIRE_MAX_STRING),
		.flags = flags,
		.sample_bytes = self->config.sample_bytes,
	};
	size_t at = self->queue.used;

	queue__add(&self->queue, WIRE_TARGET, process->pid, &record, sizeof(record), exe,
		   record.exe_len, cmdline, record.cmdline_len);
	preloaded__keep_target(process, (const struct wire_target *)(self->queue.bytes + at));
	process->begun = true;
}

static void send_fork(struct preload_source *self, pid_t parent, pid_t child, uint32_t flags,
		      uint64_t time_ns)
{
	struct wire_fork record = { .time_ns = time_ns, .child = (uint32_t)child, .flags = flags };

	queue__add(&self->queue, WIRE_FORK, parent, &record, sizeof(record), NULL, 0, NULL, 0);
}

static void send_exec(struct preload_source *self, pid_t pid)
{
	struct wire_exec record = { .time_ns = clock__monotonic_ns() };

	queue__add(&self->queue, WIRE_EXEC, pid, &record, sizeof(record), NULL, 0, NULL, 0);
}

/* What a child is before it says so itself: what its parent is. */
static void tell_as_parent(struct preload_source *self, struct preloaded *child,
			   const struct preloaded *parent)
{
	const struct wire_target *target = parent->target;
	const char *exe;
	char *copy;

	if (!target)
		return;
	exe = (const char *)(target + 1);
	copy = xstrndup(exe, target->exe_len);
	preloaded__tell(self, child, 0, copy, exe + target->exe_len, target->cmdline_len);
	free(copy);
}

void preloaded__forked(struct preload_source *self, struct preloaded *parent, pid_t pid,
		       uint64_t time_ns)
{
	struct preloaded *child = preloaded__find(self, pid);

	if (pid <= 0 || child == parent)
		return;
	/* It has ended, and another one has got its number. */
	if (child && child->begun && child->ended_round)
		preloaded__end(self, child, WIRE_END_EXITED);
	else if (child && child->begun)
		return;
	child = preloaded__find(self, pid);
	if (!child)
		child = preloaded__add(self, pid);
	if (!child)
		return;
	send_fork(self, parent->pid, pid, 0, time_ns);
	tell_as_parent(self, child, parent);
	child->begun = true;
}

/* Whose child is it? 0: not known. */
static pid_t parent_of(pid_t pid)
{
	char path[64], *text, *at;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	text = file__read_all(path, 1 << 16, NULL);
	at = text ? strrchr(text, ')') : NULL;
	if (!at || sscanf(at + 1, " %*c %d", &parent) != 1)
		parent = 0;
	free(text);
	return parent;
}

static pid_t parent_pid(const struct preloaded *process, const struct image *image)
{
	/* What it says is right in its own pid namespace. */
	if (image && image->ring.producer == (uint32_t)process->pid)
		return (pid_t)(image->ring.parent ? image->ring.parent : image->ring.starter);
	return parent_of(process->pid);
}

/* The parent's ring tells of a child in time, as a rule. */
static bool waits_for_parent(const struct preloaded *process, struct preloaded *parent)
{
	if (!parent || !parent->images)
		return false;
	if (parent->ended_round && parent->images->drained && !parent->images->next)
		return false;
	return clock__monotonic_ns() - process->since_ns < PARENT_GRACE_NS;
}

bool preloaded__begin(struct preload_source *self, struct preloaded *process, bool force)
{
	struct image *image = process->images;
	struct preloaded *parent;
	bool is_copy;

	if (process->begun)
		return true;
	is_copy = image && image->ring.parent;
	parent = preloaded__find(self, parent_pid(process, image));
	if (parent == process)
		parent = NULL;
	if (!force && is_copy && waits_for_parent(process, parent))
		return false;
	if (parent && parent->begun)
		send_fork(self, parent->pid, process->pid, is_copy ? 0 : WIRE_FORK_EMPTY,
			  clock__monotonic_ns());
	if (parent && parent->begun && !is_copy)
		send_exec(self, process->pid);
	process->begun = true;
	return true;
}

void preloaded__exec(struct preload_source *self, struct preloaded *process)
{
	struct image *image = process->images;

	process->images = image->next;
	free_image(image);
	send_exec(self, process->pid);
}

/* A ring that nobody wants: who has it learns so. */
static void refuse(struct shared_ring *ring)
{
	shared_ring__close(ring);
}

static struct preloaded *whose(struct preload_source *self, pid_t pid)
{
	struct preloaded *process = preloaded__find(self, pid);

	/* Rings are asked for after it was looked who has ended: this one is another's. */
	if (process && process->ended_round && process->ended_round < self->round) {
		preloaded__begin(self, process, true);
		preloaded__end(self, process, WIRE_END_EXITED);
		process = NULL;
	}
	return process ? process : preloaded__add(self, pid);
}

static void add_image(struct preload_source *self, struct preloaded *process,
		      const struct shared_ring *ring)
{
	struct image **last = &process->images, *image = xcalloc(1, sizeof(*image));

	/* A forked child that has called exec before its ring came, or could not make one. */
	if (process->begun && !process->images && process->pid != self->command && !ring->parent)
		send_exec(self, process->pid);
	image->ring = *ring;
	image->number = preload_execs__ring_came(self, process->pid);
	while (*last)
		last = &(*last)->next;
	*last = image;
	self->any_image = true;
	self->nr_rings++;
}

void preloaded__greet(struct preload_source *self, pid_t pid, int fd)
{
	struct preloaded *process = NULL;
	const struct image *image;
	struct shared_ring ring;
	int err = shared_ring__open(&ring, fd), nr_images = 0;

	close(fd);
	if (err) {
		log_info("Process %d has sent a ring that cannot be used: %s.", pid,
			 strerror(-err));
		return;
	}
	if (!self->stopping && (self->config.follow || pid == self->command))
		process = whose(self, pid);
	for (image = process ? process->images : NULL; image; image = image->next)
		nr_images++;
	if (process && nr_images < MAX_IMAGES)
		add_image(self, process, &ring);
	else
		refuse(&ring);
}

void preload_source__collect(struct preload_source *self, int options)
{
	int status;

	if (self->command_exists && waitpid(self->command, &status, options) == self->command) {
		self->command_exists = false;
		self->command_status = status;
	}
}

static void take_out(struct preload_source *self, pid_t pid)
{
	size_t index = (size_t)*hmap__find(&self->by_pid, (uint64_t)pid);
	struct preloaded *last = self->list[--self->nr];

	self->list[index] = last;
	hmap__set(&self->by_pid, (uint64_t)last->pid, index);
	hmap__delete(&self->by_pid, (uint64_t)pid);
}

void preloaded__end(struct preload_source *self, struct preloaded *process, uint32_t reason)
{
	struct wire_end record = { .time_ns = clock__monotonic_ns(), .reason = reason };

	if (process->pid == self->command && reason == WIRE_END_EXITED) {
		preload_source__collect(self, WNOHANG);
		record.status = self->command_status < 0 ? 0 : (uint32_t)self->command_status;
	} else if (reason == WIRE_END_EXITED) {
		record.status = exit_status__of(process->pid, process->pidfd);
	}
	queue__add(&self->queue, WIRE_END, process->pid, &record, sizeof(record), NULL, 0, NULL, 0);
	take_out(self, process->pid);
	free_process(process);
}

void preloaded__look(struct preload_source *self)
{
	uint64_t now_ns = clock__monotonic_ns();
	bool look_in_proc = now_ns - self->looked_ns >= LOOK_NS;

	for (size_t i = 0; i < self->nr; i++) {
		struct preloaded *process = self->list[i];
		struct pollfd pidfd = { .fd = process->pidfd, .events = POLLIN };
		bool ended = false;

		if (process->ended_round)
			continue;
		if (process->pidfd >= 0)
			ended = poll(&pidfd, 1, 0) > 0;
		else if (look_in_proc)
			ended = !target__lives(process->pid);
		if (ended)
			process->ended_round = self->round;
	}
	if (look_in_proc)
		self->looked_ns = now_ns;
}
