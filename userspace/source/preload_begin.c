// SPDX-License-Identifier: BSD-2-Clause
/* How the preload source begins: the command is launched with the library in it. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "probe/command.h"
#include "probe/spawn.h"
#include "source/preload_source.h"

/* How long a thread waits for heaptap, which lives, but does not read. */
#define LOSSLESS_WAIT_MS 10000
#define MAX_CMDLINE	 (1u << 20)
/* The library takes no less as HEAPTAP_MEMORY, which is the size of its ring. */
#define MIN_MEMORY (1u << 20)

enum { PRELOAD, RING, MEMORY, WAIT, SAMPLE, NR_VARIABLES };

/* Two descriptors of each process are open at once, and the files that are mapped. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* What is preloaded already stays so, behind the library. */
static char *preload_list(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	bool any = others && *others;

	return xasprintf("LD_PRELOAD=%s%s%s", library, any ? ":" : "", any ? others : "");
}

static void make_variables(const struct preload_source *self, char *variables[NR_VARIABLES + 1])
{
	const struct preload_source_config *config = &self->config;
	uint64_t ring_bytes = MIN_MEMORY;

	while (ring_bytes < config->ring_bytes && ring_bytes < RING_MAX_SIZE)
		ring_bytes *= 2;
	variables[PRELOAD] = preload_list(config->library);
	variables[RING] = xasprintf(RING_VARIABLE "=%s", self->socket.address);
	variables[MEMORY] = xasprintf("HEAPTAP_MEMORY=%" PRIu64, ring_bytes);
	variables[WAIT] = xasprintf("HEAPTAP_WAIT=%d", config->lossless ? LOSSLESS_WAIT_MS : 0);
	variables[SAMPLE] = config->sample_bytes
				    ? xasprintf("HEAPTAP_SAMPLE=%" PRIu32, config->sample_bytes)
				    : NULL;
	variables[NR_VARIABLES] = NULL;
}

/* What /proc says of the command, which may have ended already; else what was asked for. */
static void tell_command(struct preload_source *self, char **command, const char *found)
{
	struct preloaded *process = preloaded__add(self, self->command);
	char path[64], exe[PATH_MAX], *cmdline;
	size_t len = 0;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/exe", self->command);
	got = readlink(path, exe, sizeof(exe) - 1);
	exe[max(got, (ssize_t)0)] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/cmdline", self->command);
	cmdline = file__read_all(path, MAX_CMDLINE, &len);
	if (!cmdline || !len) {
		free(cmdline);
		cmdline = xstrdup(command[0]);
		len = strlen(cmdline) + 1;
	}
	preloaded__tell(self, process, WIRE_TARGET_LAUNCHED, got > 0 ? exe : found, cmdline, len);
	free(cmdline);
}

static int start(struct preload_source *self, char **command, const char *found)
{
	char *variables[NR_VARIABLES + 1];

	make_variables(self, variables);
	self->command = spawn__command(command, variables);
	for (int i = 0; i < NR_VARIABLES; i++)
		free(variables[i]);
	if (self->command < 0)
		return (int)self->command;
	self->command_exists = true;
	raise_file_limit(); /* not before: the command would inherit it */
	tell_command(self, command, found);
	return 0;
}

static int open_channel(struct preload_source *self)
{
	struct epoll_event event = { .events = EPOLLIN };
	int err = ring_socket__open(&self->socket);

	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!err && self->epoll < 0)
		err = -errno;
	if (!err && epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->socket.fd, &event))
		err = -errno;
	if (err)
		log_err("The socket by which the command's events come cannot be made: %s.",
			strerror(-err));
	return err;
}

struct source *preload_source__launch(const struct preload_source_config *config, char **command)
{
	struct preload_source *self = xcalloc(1, sizeof(*self));
	char *found = command__find(command[0]);
	int err = 0;

	preload_source__init(self);
	self->config = *config;
	self->library = xstrdup(config->library);
	self->config.library = self->library;
	self->command_name = xstrdup(command[0]);
	/* What is not found exec says best. */
	if (found)
		err = command__check_preload(found, config->library,
					     "--engine bpf watches it from outside, as root.");
	if (!err)
		err = open_channel(self);
	if (!err)
		err = start(self, command, found ? found : command[0]);
	free(found);
	if (!err)
		return &self->source;
	self->source.close(&self->source);
	errno = -err;
	return NULL;
}
