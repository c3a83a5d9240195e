// SPDX-License-Identifier: BSD-2-Clause
#include "probe/keeper_process.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "follow_abi.h"
#include "unwind_abi.h"

/* Waiting costs a thread next to nothing, but not nothing. */
#define MAX_THREADS 64
#define STACK_BYTES (64u << 10)
/* A process that was just being forked may be stopped a moment after heaptap's end. */
#define SECOND_LOOK_US 50000

/* The keeper has no memory of heaptap's use: all is here. */
static struct {
	int *links; /* by number; -1: closed */
	size_t nr_links, capacity;
	int followed, processes; /* BPF maps; -1: none yet */
	pthread_mutex_t lock;
	pthread_cond_t all_closed;
	int *to_close; /* descriptors no thread has taken yet */
	size_t nr_to_close, to_close_capacity;
	unsigned nr_threads;
} self = { .followed = -1,
	   .processes = -1,
	   .lock = PTHREAD_MUTEX_INITIALIZER,
	   .all_closed = PTHREAD_COND_INITIALIZER };

int keeper__send(int socket, const struct keeper_message *message, const int *fds, size_t nr_fds)
{
	struct iovec data = { (void *)message, sizeof(*message) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1 };

	if (nr_fds) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, nr_fds * sizeof(int));
	}
	return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* False: there are no more. Missing descriptors are -1. */
static bool receive(int socket, struct keeper_message *message, int fds[2])
{
	struct iovec data = { message, sizeof(*message) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct msghdr header = { .msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	ssize_t got;

	do
		got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	fds[0] = fds[1] = -1;
	if (got == sizeof(*message) && header.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(fds, CMSG_DATA(&control.header),
		       min(control.header.cmsg_len - CMSG_LEN(0), 2 * sizeof(int)));
	return got == sizeof(*message);
}

/* A descriptor to close; -1: there is none, and the thread is not counted any more. */
static int next_to_close(void)
{
	int fd = -1;

	pthread_mutex_lock(&self.lock);
	if (self.nr_to_close)
		fd = self.to_close[--self.nr_to_close];
	else if (!--self.nr_threads)
		pthread_cond_broadcast(&self.all_closed);
	pthread_mutex_unlock(&self.lock);
	return fd;
}

static void *close_some(void *data)
{
	int fd;

	while ((fd = next_to_close()) >= 0)
		close(fd);
	return NULL;
}

static bool start_thread(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int err;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, max((size_t)STACK_BYTES, (size_t)PTHREAD_STACK_MIN));
	err = pthread_create(&thread, &attributes, close_some, NULL);
	pthread_attr_destroy(&attributes);
	return !err;
}

static void close_link(uint32_t link)
{
	if (link >= self.nr_links || self.links[link] < 0)
		return;
	pthread_mutex_lock(&self.lock);
	self.to_close = array__grow(self.to_close, self.nr_to_close, &self.to_close_capacity,
				    sizeof(*self.to_close));
	self.to_close[self.nr_to_close++] = self.links[link];
	self.links[link] = -1;
	if (self.nr_threads < MAX_THREADS && start_thread())
		self.nr_threads++;
	pthread_mutex_unlock(&self.lock);
}

static void wait_until_closed(void)
{
	pthread_mutex_lock(&self.lock);
	while (self.nr_threads)
		pthread_cond_wait(&self.all_closed, &self.lock);
	/* What no thread could be had for. */
	while (self.nr_to_close)
		close(self.to_close[--self.nr_to_close]);
	pthread_mutex_unlock(&self.lock);
}

static void keep(uint32_t link, int fd)
{
	/* Numbers count up, so there are no gaps. */
	if (link != self.nr_links || fd < 0)
		return;
	self.links = array__grow(self.links, self.nr_links, &self.capacity, sizeof(*self.links));
	self.links[self.nr_links++] = fd;
}

static bool may_be_stopped(const struct followed *entry, const struct unwind_process *slots)
{
	const struct unwind_process *slot = &slots[entry->slot % UNWIND_MAX_SLOTS];

	if (!(entry->flags & FOLLOW_MAY_STOP))
		return false;
	return !entry->slot || slot->stopped || slot->held;
}

static void continue_all(void)
{
	const struct unwind_process *slots = mmap(NULL, UNWIND_MAX_SLOTS * sizeof(*slots),
						  PROT_READ, MAP_SHARED, self.processes, 0);
	uint32_t pid, *before = NULL;
	struct followed entry;

	if (slots == MAP_FAILED)
		return;
	while (!bpf_map_get_next_key(self.followed, before, &pid)) {
		if (!bpf_map_lookup_elem(self.followed, &pid, &entry) &&
		    may_be_stopped(&entry, slots))
			kill((pid_t)pid, SIGCONT);
		before = &pid;
	}
}

/* Nobody may end it but itself, and nobody is to wait for what it holds open. */
static void become_keeper(int socket)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP };
	struct rlimit limit;

	prctl(PR_SET_NAME, "heaptap-keeper");
	setsid();
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	if (socket > 0)
		close_range(0, (unsigned)socket - 1, 0);
	close_range((unsigned)socket + 1, ~0u, 0);
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

_Noreturn void keeper__run(int socket)
{
	struct keeper_message message;
	int fds[2];

	become_keeper(socket);
	while (receive(socket, &message, fds)) {
		switch (message.verb) {
		case KEEPER_WATCH:
			self.followed = fds[0];
			self.processes = fds[1];
			break;
		case KEEPER_KEEP:
			keep(message.link, fds[0]);
			break;
		case KEEPER_CLOSE:
			close_link(message.link);
			break;
		case KEEPER_TELL:
			wait_until_closed();
			keeper__send(socket, &message, NULL, 0);
			break;
		}
	}
	/* First nothing may stop anybody any more. */
	for (uint32_t link = 0; link < self.nr_links; link++)
		close_link(link);
	wait_until_closed();
	if (self.followed >= 0) {
		continue_all();
		usleep(SECOND_LOOK_US);
		continue_all();
	}
	_exit(0);
}
