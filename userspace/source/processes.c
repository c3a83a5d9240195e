// SPDX-License-Identifier: BSD-2-Clause
#include "source/processes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "follow_abi.h"
#include "probe/custom.h"
#include "source/memory.h"

#define SAMPLE_NS NSEC_PER_SEC

/* The functions the user has described: numbers in records that nobody else knows. */
static void send_functions(struct processes *processes)
{
	const struct allocator_config *allocators = processes->engine->config.allocators;

	for (size_t i = 0; allocators && i < allocators->custom.nr; i++) {
		const struct alloc_fn *fn = &allocators->custom.items[i].fn;
		struct wire_function record = { .func = fn->number,
						.family_len = (uint16_t)strlen(fn->family),
						.symbol_len = (uint16_t)strlen(fn->symbol) };

		queue__add(processes->queue, WIRE_FUNCTION, 0, &record, sizeof(record), fn->family,
			   record.family_len, fn->symbol, record.symbol_len);
	}
}

void processes__init(struct processes *processes, struct engine *engine, struct queue *queue,
		     int epoll)
{
	*processes = (struct processes){
		.engine = engine, .queue = queue, .epoll = epoll, .perf_map = -1
	};
	files__init(&processes->files, &engine->tables, queue, engine->config.allocators);
	send_functions(processes);
}

static void free_watched(struct watched *watched)
{
	mappings__close(&watched->mappings);
	jitmap__close(&watched->jitmap);
	target__close(&watched->target);
	free(watched);
}

void processes__clear(struct processes *processes)
{
	for (size_t i = 0; i < processes->nr; i++)
		free_watched(processes->list[i]);
	free(processes->list);
	hmap__clear(&processes->by_pid);
	files__clear(&processes->files);
	if (processes->perf_map >= 0)
		close(processes->perf_map);
	*processes = (struct processes){ 0 };
}

struct watched *processes__find(const struct processes *processes, pid_t pid)
{
	const uint64_t *index = hmap__find(&processes->by_pid, (uint64_t)pid);

	return index ? processes->list[*index] : NULL;
}

static void insert(struct processes *processes, struct watched *watched)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = watched };

	processes->list = array__grow(processes->list, processes->nr, &processes->capacity,
				      sizeof(*processes->list));
	hmap__set(&processes->by_pid, (uint64_t)watched->target.pid, processes->nr);
	processes->list[processes->nr++] = watched;
	epoll_ctl(processes->epoll, EPOLL_CTL_ADD, watched->target.pidfd, &event);
}

static void take_out(struct processes *processes, pid_t pid)
{
	size_t index = (size_t)*hmap__find(&processes->by_pid, (uint64_t)pid);
	struct watched *last = processes->list[--processes->nr];

	processes->list[index] = last;
	hmap__set(&processes->by_pid, (uint64_t)last->target.pid, index);
	hmap__delete(&processes->by_pid, (uint64_t)pid);
}

static void send_target(struct processes *processes, const struct target *target, uint32_t flags)
{
	struct wire_target record = {
		.started_ns = target->started_ns,
		.attached_ns = clock__monotonic_ns(),
		.exe_len = (uint32_t)min(strlen(target->exe), (size_t)WIRE_MAX_STRING),
		.cmdline_len = (uint32_t)min(target->cmdline_len, (size_t)WIRE_MAX_STRING),
		.flags = flags,
	};

	queue__add(processes->queue, WIRE_TARGET, target->pid, &record, sizeof(record), target->exe,
		   record.exe_len, target->cmdline, record.cmdline_len);
}

static void send_end(struct processes *processes, pid_t pid, uint32_t reason, uint32_t status)
{
	struct wire_end record = { .time_ns = clock__monotonic_ns(),
				   .reason = reason,
				   .status = status };

	queue__add(processes->queue, WIRE_END, pid, &record, sizeof(record), NULL, 0, NULL, 0);
}

static bool has_ended(const struct target *target)
{
	struct pollfd pidfd = { .fd = target->pidfd, .events = POLLIN };

	return poll(&pidfd, 1, 0) > 0;
}

static void send_continue(const struct target *target)
{
	syscall(SYS_pidfd_send_signal, target->pidfd, SIGCONT, NULL, 0);
}

/* Lets a process go on that was held until it was seen to. */
static void release(struct watched *watched)
{
	struct unwind_process *process = watched->mappings.space.process;

	if (!(watched->flags & FOLLOW_MAY_STOP))
		return;
	if (process)
		process->held = process->stopped = 0;
	send_continue(&watched->target);
}

int processes__follow(struct processes *processes, struct watched *watched)
{
	watched->flags &= ~FOLLOW_TRACER;
	if (watched->mappings.traces)
		watched->flags |= FOLLOW_TRACER;
	return engine__follow(processes->engine, watched->target.pid,
			      watched->mappings.space.process->slot, watched->flags);
}

/* Gives a process its slot, and its probes: those it has inherited, those of all it has mapped. */
static int probe(struct processes *processes, struct watched *watched, const struct watched *parent)
{
	pid_t pid = watched->target.pid;
	int err = mappings__open(&watched->mappings, processes->engine, &processes->files, pid);

	if (!err)
		err = processes__follow(processes, watched);
	if (err) {
		if (!processes->too_many_told)
			log_warn("Process %d, and perhaps others, cannot be watched: %s.", pid,
				 err == -ENOSPC ? "there are too many at a time" : strerror(-err));
		processes->too_many_told = true;
		return err;
	}
	watched->mappings.space.process->pid = (uint32_t)pid;
	if (parent)
		mappings__inherit(&watched->mappings, &parent->mappings);
	mappings__scan(&watched->mappings);
	if (watched->mappings.traces)
		processes__follow(processes, watched);
	memory__sample(processes->queue, pid);
	watched->is_probed = true;
	return 0;
}

static struct watched *new_watched(struct target *target, uint32_t flags)
{
	struct watched *watched = xcalloc(1, sizeof(*watched));

	watched->target = *target;
	watched->flags = flags;
	*target = (struct target){ .pidfd = -1 };
	jitmap__init(&watched->jitmap);
	jitmap__note(&watched->jitmap, &watched->target);
	return watched;
}

int processes__add(struct processes *processes, struct target *target, uint32_t target_flags,
		   uint32_t flags)
{
	struct watched *watched = new_watched(target, flags);

	insert(processes, watched);
	send_target(processes, &watched->target, target_flags);
	return probe(processes, watched, NULL);
}

void processes__forked(struct processes *processes, const struct wire_fork *record)
{
	const struct watched *parent = processes__find(processes, (pid_t)record->head.pid);
	bool shares_memory = record->flags & WIRE_FORK_EMPTY;
	pid_t pid = (pid_t)record->child;
	struct watched *watched;
	struct target target;
	uint32_t flags = engine__follow_flags(processes->engine, pid);

	if (processes__find(processes, pid) || !target__lives(pid) || target__open(pid, &target)) {
		engine__forget(processes->engine, pid);
		send_end(processes, pid, WIRE_END_EXITED, 0);
		kill(pid, SIGCONT);
		return;
	}
	watched = new_watched(&target, flags);
	insert(processes, watched);
	send_target(processes, &watched->target, 0);
	if (!probe(processes, watched, parent && parent->is_probed ? parent : NULL) &&
	    shares_memory && parent && parent->is_probed)
		watched->mappings.space.process->pid = parent->mappings.space.process->pid;
	release(watched);
}

/* The process is another program now. Should it be gone already, the old names stay. */
static void renew_target(struct processes *processes, struct watched *watched)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = watched };
	struct target target;

	if (has_ended(&watched->target) || !target__lives(watched->target.pid) ||
	    target__open(watched->target.pid, &target))
		return;
	target__close(&watched->target);
	watched->target = target;
	epoll_ctl(processes->epoll, EPOLL_CTL_ADD, target.pidfd, &event);
	send_target(processes, &watched->target, 0);
}

void processes__execed(struct processes *processes, pid_t pid)
{
	struct watched *watched = processes__find(processes, pid);
	struct mappings *mappings;
	uint32_t epoch = 0;

	if (!watched)
		return;
	mappings = &watched->mappings;
	renew_target(processes, watched);
	if (watched->is_probed) {
		epoch = unwind_space__epoch(&mappings->space);
		/* The programs have done so, unless it was not known to them yet. */
		mappings->space.process->pid = (uint32_t)pid;
		mappings__restart(mappings);
		unwind_space__set_epoch(&mappings->space, epoch);
		if (mappings->traces != !!(watched->flags & FOLLOW_TRACER))
			processes__follow(processes, watched);
	} else {
		probe(processes, watched, NULL);
	}
	if (watched->is_probed && watched->flags & FOLLOW_CHILDREN)
		mappings__probe_known(mappings);
	release(watched);
}

void processes__loaded(struct processes *processes, pid_t pid)
{
	struct watched *watched = processes__find(processes, pid);
	struct mappings *mappings;
	uint32_t epoch;

	if (!watched || !watched->is_probed)
		return;
	mappings = &watched->mappings;
	epoch = unwind_space__epoch(&mappings->space);
	if (epoch != mappings->space.process->ranges_epoch) {
		mappings__scan(mappings);
		unwind_space__set_epoch(&mappings->space, epoch);
	}
	release(watched);
}

void processes__end(struct processes *processes, struct watched *watched, uint32_t reason,
		    uint32_t status)
{
	pid_t pid = watched->target.pid;

	if (!status && reason == WIRE_END_EXITED)
		status = engine__exit_status(processes->engine, pid);
	/* What still runs is left known to the keeper: it may just be about to be held. */
	if (reason == WIRE_END_EXITED)
		engine__forget(processes->engine, pid);
	memory__sample(processes->queue, pid);
	send_end(processes, pid, reason, status);
	take_out(processes, pid);
	if (watched->mappings.nr_generated)
		jitmap__look(&watched->jitmap, &watched->target);
	if (watched->jitmap.fd >= 0 && processes->perf_map < 0) {
		processes->perf_map = watched->jitmap.fd;
		watched->jitmap.fd = -1;
	}
	free_watched(watched);
}

int processes__perf_map(struct processes *processes)
{
	/* An address in a map is one process's, and whose it is asked for is not known here. */
	if (files__nr_generators(&processes->files) > 1) {
		if (!processes->generators_told)
			log_info("Code that programs generate has no names: more than one of these "
				 "processes does so.");
		processes->generators_told = true;
		return -1;
	}
	for (size_t i = 0; i < processes->nr; i++) {
		struct watched *watched = processes->list[i];

		if (!watched->mappings.nr_generated)
			continue;
		jitmap__look(&watched->jitmap, &watched->target);
		if (watched->jitmap.fd >= 0)
			return watched->jitmap.fd;
	}
	return processes->perf_map;
}

void processes__sample_memory(struct processes *processes)
{
	uint64_t now_ns = clock__monotonic_ns();

	if (now_ns - processes->sampled_ns < SAMPLE_NS)
		return;
	processes->sampled_ns = now_ns;
	for (size_t i = 0; i < processes->nr; i++)
		memory__sample(processes->queue, processes->list[i]->target.pid);
}

void processes__continue(struct processes *processes)
{
	for (size_t i = 0; i < processes->nr; i++) {
		struct watched *watched = processes->list[i];
		struct unwind_process *process = watched->mappings.space.process;

		if (!process || !process->stopped || process->held)
			continue;
		process->stopped = 0;
		send_continue(&watched->target);
	}
}
