// SPDX-License-Identifier: BSD-2-Clause
/* The process in which files of the target are read to finish walks. It may die at any time. */
#include "unwind/finish_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "unwind/finish_walk.h"

/* What may be used beyond what the process has and the files it maps. */
#define MEMORY_BYTES (1ull << 30)

#define SOCKET 3

struct worker {
	rlim_t own_bytes, file_bytes;
};

/* base/ ends the program when memory runs out: heaptap's exit handlers are not for us. */
static void end_at_once(void)
{
	_exit(1);
}

static void limit_memory(const struct worker *worker)
{
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory is terabytes of address space */
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit))
		return;
	limit.rlim_cur = min(worker->own_bytes + worker->file_bytes, limit.rlim_max);
	setrlimit(RLIMIT_AS, &limit);
#endif
}

static uint64_t used_bytes(void)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (!statm)
		return 0;
	if (fscanf(statm, "%lu", &pages) != 1)
		pages = 0;
	fclose(statm);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A copy of a BPF link's descriptor would keep the probe alive after heaptap's end, one of a pipe's
 * would keep its reader waiting. */
static void close_descriptors(int socket)
{
	int null, moved = fcntl(socket, F_DUPFD, SOCKET + 1);

	null = open("/dev/null", O_RDWR);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (null < 0)
			close(fd);
		else
			dup2(null, fd);
	}
	if (dup2(moved, SOCKET) != SOCKET || close_range(SOCKET + 1, ~0u, 0))
		_exit(1);
}

/* One descriptor a module: as many as may be. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void confine(struct worker *worker, int socket)
{
	const struct rlimit no_core = { 0 };
	sigset_t none;

	prctl(PR_SET_NAME, "heaptap-finish");
	/* Ctrl-C is for heaptap, which still has walks to be finished; its end is ours. */
	setsid();
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	atexit(end_at_once);
	close_descriptors(socket);
	raise_descriptors();
	setrlimit(RLIMIT_CORE, &no_core);
	worker->own_bytes = used_bytes() + MEMORY_BYTES;
	limit_memory(worker);
}

static void send_message(const struct finish_message *message)
{
	if (send(SOCKET, message, sizeof(*message), MSG_NOSIGNAL) != sizeof(*message))
		_exit(0);
}

/* heaptap has ended, or has no more use for us, when there is none. */
static void receive_message(struct finish_message *message, int *fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { .iov_base = message, .iov_len = sizeof(*message) };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.space,
				 .msg_controllen = sizeof(control.space) };
	struct cmsghdr *rights;
	ssize_t got;

	do {
		got = recvmsg(SOCKET, &header, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got != sizeof(*message))
		_exit(0);
	*fd = -1;
	rights = CMSG_FIRSTHDR(&header);
	if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
	    rights->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(rights), sizeof(*fd));
}

static int ask(void *data, uint64_t address, struct finish_mapping *mapping)
{
	struct finish_message message = { .kind = FINISH_WHICH, .start = address };
	struct worker *worker = data;
	struct stat status;
	int fd;

	send_message(&message);
	receive_message(&message, &fd);
	if (fd < 0)
		return -1;
	*mapping = (struct finish_mapping){ message.start, message.end, message.vaddr };
	if (!fstat(fd, &status))
		worker->file_bytes += (rlim_t)status.st_size;
	limit_memory(worker);
	return fd;
}

_Noreturn void finish_worker__run(int socket, struct finish_area *area)
{
	const struct finish_message done = { .kind = FINISH_DONE };
	struct worker worker = { 0 };
	struct finish_message message;
	uint64_t generation = 0;
	struct finish_walk *walk;
	int fd;

	confine(&worker, socket);
	walk = finish_walk__new(ask, &worker);
	for (;;) {
		receive_message(&message, &fd);
		/* Should heaptap die while we hang. */
		alarm(FINISH_SECONDS + 1);
		if (area->request.generation != generation) {
			finish_walk__forget(walk);
			worker.file_bytes = 0;
		}
		generation = area->request.generation;
		finish_walk__run(walk, area);
		alarm(0);
		send_message(&done);
	}
}
