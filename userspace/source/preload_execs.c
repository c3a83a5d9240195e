// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs that processes of a run have become, and of which no ring has come: it is said that they
 * are not watched. Whether a program can load the library its file tells; where it says that it
 * can, the process's end is waited for.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "probe/command.h"
#include "source/preload_source.h"

/* Execs at a time that are waited for: of those beyond, nothing is said. */
#define MAX_PENDING 256
/* Lines of one run. */
#define MAX_TOLD 8
/* An exec that fails says so sooner than that, and the program's file is known by then. */
#define LOOK_NS (NSEC_PER_SEC / 5)

struct pending_exec {
	pid_t pid;
	int pidfd;	   /* -1: this kernel has none, or it has ended */
	uint64_t nr_rings; /* of the process's, before what it becomes */
	char *path;	   /* what it asked for; "": not known */
	uint64_t since_ns;
	uint64_t ended_round; /* in which it was found to have ended; 0: it lives */
	bool looked_at;
};

static uint64_t nr_rings_of(const struct preload_source *self, pid_t pid)
{
	const uint64_t *nr = hmap__find(&self->execs.nr_rings, (uint64_t)pid);

	return nr ? *nr : 0;
}

uint64_t preload_execs__ring_came(struct preload_source *self, pid_t pid)
{
	uint64_t nr = nr_rings_of(self, pid) + 1;

	hmap__set(&self->execs.nr_rings, (uint64_t)pid, nr);
	return nr;
}

static void take_out(struct preload_execs *execs, size_t index)
{
	struct pending_exec *exec = &execs->list[index];

	if (exec->pidfd >= 0)
		close(exec->pidfd);
	free(exec->path);
	*exec = execs->list[--execs->nr];
}

static void take_out_failed(struct preload_execs *execs, pid_t pid)
{
	for (size_t i = execs->nr; i--;)
		if (execs->list[i].pid == pid) {
			take_out(execs, i);
			return;
		}
}

void preload_execs__add(struct preload_source *self, pid_t pid, uint64_t nr_rings,
			const struct ring_exec *record)
{
	struct preload_execs *execs = &self->execs;
	struct pending_exec *exec;

	if (record->flags & RING_EXEC_FAILED) {
		take_out_failed(execs, pid);
		return;
	}
	if (nr_rings_of(self, pid) > nr_rings || execs->nr == MAX_PENDING)
		return;
	if (!execs->list)
		execs->list = xcalloc(MAX_PENDING, sizeof(*execs->list));
	exec = &execs->list[execs->nr++];
	*exec = (struct pending_exec){
		.pid = pid,
		.pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
		.nr_rings = nr_rings,
		.path = xstrndup((const char *)(record + 1), record->path_len),
		.since_ns = clock__monotonic_ns(),
	};
	if (exec->pidfd < 0 && errno == ESRCH)
		exec->ended_round = self->round;
}

/* What it runs now, or else the file that it asked for; the caller frees it. NULL: neither is
 * known. */
static char *find_program(const struct pending_exec *exec)
{
	char link[64], path[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/%d/exe", exec->pid);
	len = exec->ended_round ? -1 : readlink(link, path, sizeof(path));
	if (len > 0 && len < (ssize_t)sizeof(path) && !*exec->path)
		return xstrndup(path, (size_t)len);
	return *exec->path ? command__find(exec->path) : NULL;
}

static bool was_told(struct preload_execs *execs, const char *path)
{
	for (size_t i = 0; i < execs->nr_told; i++)
		if (!strcmp(execs->told[i], path))
			return true;
	return false;
}

static void tell(struct preload_source *self, const struct pending_exec *exec, const char *path,
		 const char *reason)
{
	struct preload_execs *execs = &self->execs;
	const char *name = *exec->path ? exec->path : path ? path : "another program";

	if (execs->nr_told > MAX_TOLD || was_told(execs, name))
		return;
	if (execs->nr_told == MAX_TOLD)
		log_warn("More programs that were started are not watched.");
	else if (reason)
		log_warn("%s, which was started as process %d, is not watched: it %s.", name,
			 exec->pid, reason);
	else
		log_warn("%s, which was started as process %d, was not watched: it has not loaded "
			 "heaptap's library.",
			 name, exec->pid);
	execs->told = array__grow(execs->told, execs->nr_told, &execs->told_capacity,
				  sizeof(*execs->told));
	execs->told[execs->nr_told++] = xstrdup(name);
}

/* Says what there is to say of one. True: that is all. */
static bool settle(struct preload_source *self, struct pending_exec *exec, bool at_end)
{
	bool ended = exec->ended_round && exec->ended_round < self->round;
	const char *reason = NULL;
	char *path;

	if (nr_rings_of(self, exec->pid) > exec->nr_rings)
		return true;
	if (!ended && !at_end &&
	    (exec->looked_at || clock__monotonic_ns() - exec->since_ns < LOOK_NS))
		return false;
	exec->looked_at = true;
	path = find_program(exec);
	if (path)
		reason = command__why_not_preload(path, self->config.library);
	if (reason || ended)
		tell(self, exec, path, reason);
	free(path);
	return reason || ended;
}

void preload_execs__look(struct preload_source *self, bool at_end)
{
	struct preload_execs *execs = &self->execs;
	size_t i = 0;

	while (i < execs->nr) {
		struct pending_exec *exec = &execs->list[i];
		struct pollfd pidfd = { .fd = exec->pidfd, .events = POLLIN };

		if (settle(self, exec, at_end)) {
			take_out(execs, i);
			continue;
		}
		/* For the next time: its rings have all been taken by then. */
		if (!exec->ended_round && (exec->pidfd >= 0 ? poll(&pidfd, 1, 0) > 0
							    : kill(exec->pid, 0) && errno == ESRCH))
			exec->ended_round = self->round;
		i++;
	}
}

void preload_execs__clear(struct preload_execs *execs)
{
	while (execs->nr)
		take_out(execs, execs->nr - 1);
	for (size_t i = 0; i < execs->nr_told; i++)
		free(execs->told[i]);
	free(execs->told);
	free(execs->list);
	hmap__clear(&execs->nr_rings);
	*execs = (struct preload_execs){ 0 };
}
