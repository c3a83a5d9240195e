// SPDX-License-Identifier: BSD-2-Clause
#include "base/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

#define BACKLOG 64
/* A port that is free for IPv4 may not be for IPv6: then another. */
#define MAX_TRIES 16

/* Splits [HOST]:PORT, or PORT. *host is the caller's to free; "": left out. 0 or -EINVAL. */
static int split(const char *where, char **host, uint64_t *port)
{
	const char *colon = strrchr(where, ':');
	size_t len = colon ? (size_t)(colon - where) : 0;
	bool bracketed = len >= 2 && where[0] == '[' && where[len - 1] == ']';

	/* Of an IPv6 address without brackets nobody knows where it ends. */
	if (parse__u64(colon ? colon + 1 : where, UINT16_MAX, port) ||
	    (!bracketed && memchr(where, ':', len)))
		return -EINVAL;
	*host = bracketed ? xstrndup(where + 1, len - 2) : xstrndup(where, len);
	return 0;
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
	return ntohs(address->ss_family == AF_INET6
			     ? ((const struct sockaddr_in6 *)address)->sin6_port
			     : ((const struct sockaddr_in *)address)->sin_port);
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
	if (address->ss_family == AF_INET6)
		((struct sockaddr_in6 *)address)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)address)->sin_port = htons(port);
}

void listen__shown(const struct sockaddr_storage *address, char *text)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	bool is_six = address->ss_family == AF_INET6;
	/* How the kernel shows an IPv4 address in an IPv6 socket. */
	bool mapped = is_six && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
	char digits[INET6_ADDRSTRLEN] = "?";

	if (mapped)
		inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], digits, sizeof(digits));
	else if (is_six)
		inet_ntop(AF_INET6, &six->sin6_addr, digits, sizeof(digits));
	else
		inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, digits,
			  sizeof(digits));
	snprintf(text, LISTEN_SHOWN, is_six && !mapped ? "[%s]:%u" : "%s:%u", digits,
		 port_of(address));
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
}

static void note(struct listeners *listeners, const struct sockaddr_storage *address, int fd)
{
	size_t used = strlen(listeners->shown);
	char text[LISTEN_SHOWN];

	listen__shown(address, text);
	snprintf(listeners->shown + used, sizeof(listeners->shown) - used, "%s%s",
		 used ? " and " : "", text);
	listeners->open_to_others |= !is_loopback(address);
	listeners->fds[listeners->nr++] = fd;
}

/* Listens at one address; *port is its port, or becomes the one that was found. 0 or -errno. */
static int open_one(struct listeners *listeners, const struct addrinfo *info, uint16_t *port)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	int fd, err, on = 1;

	memcpy(&address, info->ai_addr, min(sizeof(address), (size_t)info->ai_addrlen));
	set_port(&address, *port);
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Each kind of address has a socket of its own. */
	if (info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, info->ai_addrlen) || listen(fd, BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)&address, &len)) {
		err = -errno;
		close(fd);
		return err;
	}
	*port = port_of(&address);
	note(listeners, &address, fd);
	return 0;
}

/* A kind of address that this machine has not. */
static bool is_missing_kind(int err)
{
	return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL || err == -EPROTONOSUPPORT;
}

/* Listens at all of them that there are. 0 or -errno. */
static int open_all(struct listeners *listeners, const struct addrinfo *infos, uint16_t port)
{
	int err = 0, missing = -EADDRNOTAVAIL;

	*listeners = (struct listeners){ 0 };
	for (; infos && !err && listeners->nr < LISTEN_MAX; infos = infos->ai_next) {
		if (infos->ai_family != AF_INET && infos->ai_family != AF_INET6)
			continue;
		err = open_one(listeners, infos, &port);
		if (is_missing_kind(err)) {
			missing = err;
			err = 0;
		}
	}
	if (!err && !listeners->nr)
		err = missing;
	if (err)
		listen__close(listeners);
	return err;
}

int listen__open(struct listeners *listeners, const char *where)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *infos;
	bool everybody;
	uint64_t port;
	char *host;
	int err;

	if (split(where, &host, &port)) {
		log_err("'%s' is no place to listen at; it looks like :7000, 192.0.2.1:7000, "
			"[2001:db8::1]:7000, or *:7000 for everybody.",
			where);
		return -EINVAL;
	}
	everybody = !strcmp(host, "*");
	hints.ai_flags = everybody ? AI_PASSIVE : 0;
	err = getaddrinfo(*host && !everybody ? host : NULL, "0", &hints, &infos);
	if (err) {
		log_err("The host '%s' is not known: %s.", host, gai_strerror(err));
		free(host);
		return -ENOENT;
	}
	err = -EADDRINUSE;
	for (unsigned i = 0; err == -EADDRINUSE && i < (port ? 1 : MAX_TRIES); i++)
		err = open_all(listeners, infos, (uint16_t)port);
	if (err)
		log_err("Nobody can listen at %s: %s.", where, strerror(-err));
	freeaddrinfo(infos);
	free(host);
	return err;
}

void listen__close(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->nr; i++)
		close(listeners->fds[i]);
	listeners->nr = 0;
}
