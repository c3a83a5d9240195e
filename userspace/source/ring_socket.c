// SPDX-License-Identifier: BSD-2-Clause
#include "source/ring_socket.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "ring_abi.h"

/* Descriptors of one datagram that are looked at: what strangers send beyond is closed by the
 * kernel. */
#define MAX_DESCRIPTORS 4

static const char *token_of(const struct ring_socket *self)
{
	return strchr(self->address, '/') + 1;
}

int ring_socket__open(struct ring_socket *self)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint64_t random[3];
	int on = 1, len, err;

	*self = (struct ring_socket){ .fd = -1 };
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -errno;
	snprintf(self->address, sizeof(self->address),
		 "heaptap-%d-%016" PRIx64 "/%016" PRIx64 "%016" PRIx64, (int)getpid(), random[0],
		 random[1], random[2]);
	len = (int)strcspn(self->address, "/");
	memcpy(address.sun_path + 1, self->address, (size_t)len);
	self->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (self->fd < 0)
		return -errno;
	if (!setsockopt(self->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) &&
	    !bind(self->fd, (struct sockaddr *)&address,
		  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)len))
		return 0;
	err = -errno;
	ring_socket__close(self);
	return err;
}

void ring_socket__close(struct ring_socket *self)
{
	if (self->fd >= 0)
		close(self->fd);
	self->fd = -1;
}

/* Keeps the first descriptor, closes what else came. */
static int take_descriptors(struct msghdr *message, pid_t *pid)
{
	int kept = -1;

	*pid = 0;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		size_t len = part->cmsg_len - CMSG_LEN(0);
		struct ucred who;
		int fd;

		if (part->cmsg_level != SOL_SOCKET)
			continue;
		if (part->cmsg_type == SCM_CREDENTIALS && len >= sizeof(who)) {
			memcpy(&who, CMSG_DATA(part), sizeof(who));
			*pid = who.pid;
		}
		for (size_t at = 0; part->cmsg_type == SCM_RIGHTS && at + sizeof(fd) <= len;
		     at += sizeof(fd)) {
			memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
			if (kept < 0)
				kept = fd;
			else
				close(fd);
		}
	}
	return kept;
}

static bool is_hello(const struct ring_socket *self, const struct ring_hello *hello, ssize_t got)
{
	return got == sizeof(*hello) && hello->magic == RING_MAGIC &&
	       hello->version == RING_VERSION && !memcmp(hello->token, token_of(self), RING_TOKEN);
}

int ring_socket__take(struct ring_socket *self, pid_t *pid)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
	} control;

	for (;;) {
		struct ring_hello hello;
		struct iovec part = { &hello, sizeof(hello) };
		struct msghdr message = { .msg_iov = &part,
					  .msg_iovlen = 1,
					  .msg_control = &control,
					  .msg_controllen = sizeof(control) };
		ssize_t got = recvmsg(self->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int fd;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -EAGAIN;
		fd = take_descriptors(&message, pid);
		if (fd >= 0 && *pid > 0 && is_hello(self, &hello, got))
			return fd;
		if (fd >= 0)
			close(fd);
	}
}
