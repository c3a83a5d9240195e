// SPDX-License-Identifier: BSD-2-Clause
/*
 * Knows the mappings and keeps a worker; the worker asks for each mapping it comes to. What
 * elfutils does to a hostile file it does there.
 */
#include "unwind/finish.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "unwind/finish_link.h"

#define MAX_DEATHS 3

struct mapping {
	uint64_t start, end, vaddr;
	char *path;
	int fd;
	bool is_bad; /* the worker died of it */
};

struct finish {
	struct mapping *mappings;
	size_t nr_mappings, mappings_capacity;
	uint64_t generation;
	struct finish_area *area; /* shared with the worker; NULL: there is none */
	pid_t worker;
	int socket;
	unsigned nr_deaths;
};

struct finish *finish__new(void)
{
	return xcalloc(1, sizeof(struct finish));
}

static void stop_worker(struct finish *finish)
{
	if (!finish->area)
		return;
	kill(finish->worker, SIGKILL);
	while (waitpid(finish->worker, NULL, 0) < 0 && errno == EINTR)
		;
	close(finish->socket);
	munmap(finish->area, sizeof(*finish->area));
	finish->area = NULL;
}

void finish__free(struct finish *finish)
{
	if (!finish)
		return;
	stop_worker(finish);
	for (size_t i = 0; i < finish->nr_mappings; i++)
		free(finish->mappings[i].path);
	free(finish->mappings);
	free(finish);
}

static void add_mapping(struct finish *finish, const struct mapping *mapping)
{
	finish->mappings = array__grow(finish->mappings, finish->nr_mappings,
				       &finish->mappings_capacity, sizeof(*mapping));
	finish->mappings[finish->nr_mappings++] = *mapping;
}

static void add_part(struct finish *finish, const struct mapping *whole, uint64_t start,
		     uint64_t end)
{
	struct mapping part = *whole;

	if (start >= end)
		return;
	part.start = start;
	part.end = end;
	part.vaddr += start - whole->start;
	part.path = xstrdup(whole->path);
	add_mapping(finish, &part);
}

static void cut_out(struct finish *finish, uint64_t start, uint64_t end)
{
	size_t i = 0;

	while (i < finish->nr_mappings) {
		struct mapping old = finish->mappings[i];

		if (old.end <= start || end <= old.start) {
			i++;
			continue;
		}
		finish->mappings[i] = finish->mappings[--finish->nr_mappings];
		add_part(finish, &old, old.start, start);
		add_part(finish, &old, end, old.end);
		free(old.path);
		finish->generation++;
	}
}

/* Replacing costs the worker all it has read. */
static bool is_known(const struct finish *finish, const struct mapping *mapping)
{
	for (size_t i = 0; i < finish->nr_mappings; i++) {
		const struct mapping *old = &finish->mappings[i];

		if (old->start == mapping->start && old->end == mapping->end &&
		    old->vaddr == mapping->vaddr && old->fd == mapping->fd)
			return true;
	}
	return false;
}

void finish__map(struct finish *finish, uint64_t start, uint64_t end, uint64_t vaddr, int fd,
		 const char *path)
{
	struct mapping mapping = { .start = start, .end = end, .vaddr = vaddr, .fd = fd };

	if (start >= end || is_known(finish, &mapping))
		return;
	mapping.path = xstrdup(path);
	cut_out(finish, start, end);
	add_mapping(finish, &mapping);
}

static struct mapping *find_mapping(struct finish *finish, uint64_t address)
{
	for (size_t i = 0; i < finish->nr_mappings; i++) {
		struct mapping *mapping = &finish->mappings[i];

		if (address - mapping->start < mapping->end - mapping->start)
			return mapping;
	}
	return NULL;
}

static int start_worker(struct finish *finish)
{
	struct finish_area *area;
	int ends[2], err;

	if (finish->area)
		return 0;
	area = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		err = -errno;
		goto fail;
	}
	finish->worker = fork();
	if (!finish->worker) {
		close(ends[0]);
		finish_worker__run(ends[1], area);
	}
	err = -errno;
	close(ends[1]);
	if (finish->worker < 0) {
		close(ends[0]);
		goto fail;
	}
	finish->area = area;
	finish->socket = ends[0];
	return 0;
fail:
	munmap(area, sizeof(*area));
	return err;
}

static int send_message(struct finish *finish, const struct finish_message *message, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec part = { .iov_base = (void *)message, .iov_len = sizeof(*message) };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *rights;

	if (fd >= 0) {
		header.msg_control = control.space;
		header.msg_controllen = sizeof(control.space);
		rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	/* It reads each before it sends the next: there is always room. */
	return sendmsg(finish->socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int receive_message(struct finish *finish, struct finish_message *message,
			   uint64_t deadline_ns)
{
	struct pollfd wait = { .fd = finish->socket, .events = POLLIN };
	uint64_t now_ns;
	ssize_t got;

	for (;;) {
		now_ns = clock__monotonic_ns();
		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		if (poll(&wait, 1, (int)((deadline_ns - now_ns) / 1000000) + 1) <= 0)
			continue;
		got = recv(finish->socket, message, sizeof(*message), MSG_DONTWAIT | MSG_TRUNC);
		if (got == sizeof(*message))
			return 0;
		if (got >= 0)
			return got ? -EPROTO : -EPIPE;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

static int answer(struct finish *finish, uint64_t address)
{
	const struct finish_message nothing = { .kind = FINISH_NOTHING };
	const struct mapping *mapping = find_mapping(finish, address);
	struct finish_message message = { .kind = FINISH_MAPPING };
	int err = -EBADF;

	if (mapping && !mapping->is_bad && mapping->fd >= 0) {
		message.start = mapping->start;
		message.end = mapping->end;
		message.vaddr = mapping->vaddr;
		err = send_message(finish, &message, mapping->fd);
	}
	/* A closed descriptor is the caller's fault, not the worker's. */
	return err == -EBADF ? send_message(finish, &nothing, -1) : err;
}

static int converse(struct finish *finish)
{
	uint64_t deadline_ns = clock__monotonic_ns() + FINISH_SECONDS * NSEC_PER_SEC;
	struct finish_message message = { .kind = FINISH_WALK };
	int err = send_message(finish, &message, -1);

	while (!err) {
		err = receive_message(finish, &message, deadline_ns);
		if (err || message.kind == FINISH_DONE)
			break;
		err = message.kind == FINISH_WHICH ? answer(finish, message.start) : -EPROTO;
	}
	return err;
}

/* Whoever killed it: after a few deaths nobody is sent there any more. */
static void bury_worker(struct finish *finish)
{
	uint32_t nr = finish->area ? finish->area->nr_frames : 0;
	struct mapping *guilty = NULL;

	if (nr && nr <= FINISH_MAX_FRAMES)
		guilty = find_mapping(finish, finish->area->frames[nr - 1] - 1);
	if (guilty) {
		guilty->is_bad = true;
		log_warn("The unwind information of %s cannot be read: stacks are cut where they "
			 "come to it.",
			 guilty->path);
	}
	stop_worker(finish);
	if (++finish->nr_deaths == MAX_DEATHS)
		log_warn("Reading unwind information failed %u times: stacks that need it are cut "
			 "from now on.",
			 finish->nr_deaths);
}

static void write_request(struct finish *finish, const struct finish_request *request,
			  const void *stack)
{
	struct finish_area *area = finish->area;

	area->request = *request;
	memcpy(area->stack, stack, request->stack_len);
	area->nr_frames = 0;
	area->complete = false;
}

size_t finish__walk(struct finish *finish, const uint64_t regs[FINISH_NR_REGS], bool is_return,
		    const void *stack, uint64_t stack_address, size_t len, uint64_t *frames,
		    size_t max, bool *complete)
{
	struct finish_request request = {
		.stack_address = stack_address,
		.stack_len = min(len, (size_t)FINISH_MAX_STACK),
		.max_frames = min(max, (size_t)FINISH_MAX_FRAMES),
		.generation = finish->generation,
		.is_return = is_return,
	};
	size_t nr = 1;

	*complete = false;
	frames[0] = regs[FINISH_PC] + !is_return;
	if (finish->nr_deaths >= MAX_DEATHS)
		return 1;
	memcpy(request.regs, regs, sizeof(request.regs));
	if (start_worker(finish)) {
		bury_worker(finish);
		return 1;
	}
	write_request(finish, &request, stack);
	if (converse(finish)) {
		bury_worker(finish);
		return 1;
	}
	/* The worker may write whatever it likes, whenever it likes. */
	nr = max(nr, min((size_t)finish->area->nr_frames, (size_t)request.max_frames));
	memcpy(frames + 1, finish->area->frames + 1, (nr - 1) * sizeof(*frames));
	*complete = finish->area->complete;
	return nr;
}
