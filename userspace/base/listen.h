/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets that wait for TCP connections. */
#ifndef LISTEN_H
#define LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define LISTEN_MAX 8

struct listeners {
	int fds[LISTEN_MAX]; /* non-blocking */
	size_t nr;
	char shown[512];     /* where they listen: "127.0.0.1:7000 and [::1]:7000" */
	bool open_to_others; /* than this machine */
};

/* Room for what listen__shown makes. */
#define LISTEN_SHOWN 80

/*
 * Listens where [HOST]:PORT says: on this machine's own addresses only, of both kinds, where HOST
 * is left out; * is everybody, an IPv6 address stands in brackets. Port 0: any that is free, the
 * same on all. 0, or -errno after saying why not; -EINVAL: for the words themselves.
 */
int listen__open(struct listeners *listeners, const char *where);
void listen__close(struct listeners *listeners);

/* An address as a person writes it, "[::1]:7000". Digits and punctuation only. */
void listen__shown(const struct sockaddr_storage *address, char *text);

#endif /* LISTEN_H */
