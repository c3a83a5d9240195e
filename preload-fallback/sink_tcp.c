// SPDX-License-Identifier: BSD-2-Clause
/* The sink that is a connection to `heaptap receive`. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os.h"
#include "recorder.h"
#include "sink.h"

#define MAX_ADDRESSES 4u
/* A connection on the way is waited for so long before the program goes on without. */
#define PATIENCE_MS 300

static struct {
	int fd; /* 0: none */
	bool connecting;
	struct sink_identity identity;
	struct sockaddr_storage addresses[MAX_ADDRESSES];
	socklen_t lengths[MAX_ADDRESSES];
	unsigned nr_addresses, next;
} tcp;

static const char *name(void)
{
	return recorder.config.server;
}

/* HOST and PORT of HOST:PORT or [HOST]:PORT. */
static bool split(const char *server, char *host, size_t size, const char **port)
{
	const char *colon = strrchr(server, ':');
	size_t len = (size_t)(colon - server);

	if (len > 2 && server[0] == '[' && colon[-1] == ']') {
		server++;
		len -= 2;
	}
	if (len >= size)
		return false;
	memcpy(host, server, len);
	host[len] = '\0';
	*port = colon + 1;
	return true;
}

static int prepare(void)
{
	struct addrinfo hints, *list, *at;
	const char *port;
	char host[256];

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if (!split(recorder.config.server, host, sizeof(host), &port) ||
	    getaddrinfo(host, port, &hints, &list))
		return -EINVAL;
	for (at = list; at && tcp.nr_addresses < MAX_ADDRESSES; at = at->ai_next) {
		if (at->ai_addrlen > sizeof(tcp.addresses[0]))
			continue;
		memcpy(&tcp.addresses[tcp.nr_addresses], at->ai_addr, at->ai_addrlen);
		tcp.lengths[tcp.nr_addresses++] = at->ai_addrlen;
	}
	freeaddrinfo(list);
	return tcp.nr_addresses ? 0 : -EINVAL;
}

static void tcp_close(void)
{
	if (tcp.fd && sink__is_still(tcp.fd, &tcp.identity))
		close(tcp.fd);
	tcp.fd = 0;
	tcp.connecting = false;
}

static bool writable(int timeout_ms)
{
	struct pollfd wanted = { .fd = tcp.fd, .events = POLLOUT };

	return poll(&wanted, 1, timeout_ms) > 0;
}

/* How the connection on the way is: 0, -EAGAIN, or why it failed. */
static int outcome(int timeout_ms)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (!sink__is_still(tcp.fd, &tcp.identity))
		return -ECONNRESET;
	if (!writable(timeout_ms))
		return -EAGAIN;
	if (getsockopt(tcp.fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

static int begin_connect(unsigned which)
{
	const struct sockaddr *address = (const struct sockaddr *)&tcp.addresses[which];
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	fd = sink__move_away(fd);
	if (fd < 0)
		return fd;
	tcp.fd = fd;
	tcp.identity = sink__identity(fd);
	tcp.connecting = true;
	if (connect(fd, address, tcp.lengths[which]) && errno != EINPROGRESS && errno != EINTR)
		return -errno;
	return 0;
}

static int tcp_open(void)
{
	int err = -EINVAL;

	if (tcp.fd && !tcp.connecting)
		return 0;
	for (unsigned tries = 0; tries < tcp.nr_addresses; tries++) {
		bool fresh = !tcp.fd;

		err = fresh ? begin_connect(tcp.next) : 0;
		if (!err)
			err = outcome(fresh ? PATIENCE_MS : 0);
		if (err == -EAGAIN)
			return err;
		tcp.connecting = false;
		if (!err)
			return 0;
		tcp_close();
		tcp.next = (tcp.next + 1) % tcp.nr_addresses;
	}
	return err;
}

static ssize_t tcp_send(const void *data, size_t len)
{
	ssize_t done;

	if (!sink__is_still(tcp.fd, &tcp.identity))
		return -ECONNRESET;
	do {
		done = send(tcp.fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (done < 0 && errno == EINTR);
	if (done < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return done;
}

static void tcp_wait(unsigned ms)
{
	if (tcp.fd)
		writable((int)ms);
}

const struct sink sink_tcp = {
	.prepare = prepare,
	.open = tcp_open,
	.send = tcp_send,
	.wait = tcp_wait,
	.close = tcp_close,
	.forked = tcp_close,
	.name = name,
};
