// SPDX-License-Identifier: BSD-2-Clause
/* How watching begins: who is asked for is attached to, or launched and led through its loader. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "follow_abi.h"
#include "probe/keeper.h"
#include "probe/launch.h"
#include "probe/target.h"
#include "source/bpf_source.h"
#include "source/inject.h"

/* Each file that is mapped stays open here. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Wakes the pump when the programs say so, not whenever there is a record: hence edge-triggered. */
static void watch_ring(struct bpf_source *self)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->engine.ring.fd, &event);
}

static struct bpf_source *new_source(const struct bpf_source_config *config)
{
	struct bpf_source *self = xcalloc(1, sizeof(*self));
	int err;

	bpf_source__init(self);
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	keeper__start();
	if (engine__open(&self->engine, config)) {
		self->source.close(&self->source);
		errno = EOPNOTSUPP;
		return NULL;
	}
	keeper__watch(engine__followed_fd(&self->engine), engine__processes_fd(&self->engine));
	walks__init(&self->walks, &self->engine.tables);
	processes__init(&self->processes, &self->engine, &self->queue, self->epoll);
	err = mapevents__open(&self->events);
	if (err) {
		log__print(config->optional ? LOG_INFO : LOG_ERROR,
			   "The kernel's mapping events cannot be had: %s.", strerror(-err));
		self->source.close(&self->source);
		errno = EOPNOTSUPP;
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
		self->source.close(&self->source);
		return NULL;
	}
	if (self->engine.inject)
		inject__warn_of_missing(self->engine.inject);
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
	watched->flags &= ~FOLLOW_LOADING;
	processes__follow(&self->processes, watched);
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
		self->source.close(&self->source);
		errno = ECHILD;
		return NULL;
	}
	self->command = launch.pid;
	self->command_exists = true;
	raise_file_limit(); /* not before: the command would inherit it */
	err = target__open(launch.pid, &target);
	if (!err) {
		engine__watch(&self->engine);
		err = processes__add(&self->processes, &target, WIRE_TARGET_LAUNCHED,
				     FOLLOW_LOADING | FOLLOW_MAY_STOP |
					     (config->follow ? FOLLOW_CHILDREN : 0));
	}
	if (!err)
		err = load_command(self, &launch);
	if (err) {
		log_err("%s could not be traced while it was loaded: %s.", command[0],
			strerror(-err));
		kill(launch.pid, SIGKILL);
		self->source.close(&self->source);
		errno = ECHILD;
		return NULL;
	}
	say_what_was_found(&processes__find(&self->processes, launch.pid)->mappings, command[0]);
	return &self->source;
}
