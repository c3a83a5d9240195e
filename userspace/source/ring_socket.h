/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the processes of a run hand over their rings: a datagram socket in the abstract namespace,
 * which needs no file, is reached from a chroot and by any user, and is gone when heaptap is. Who
 * does not know the token is not listened to; who a datagram is from says the kernel.
 */
#ifndef RING_SOCKET_H
#define RING_SOCKET_H

#include <sys/types.h>

#define RING_SOCKET_ADDRESS 96

struct ring_socket {
	int fd;				   /* readable when there is something to take */
	char address[RING_SOCKET_ADDRESS]; /* the value of RING_VARIABLE */
};

/* 0 or -errno. */
int ring_socket__open(struct ring_socket *socket);
void ring_socket__close(struct ring_socket *socket);

/* The descriptor of the next ring, the caller's now, and whose it is. -EAGAIN: there is no more. */
int ring_socket__take(struct ring_socket *socket, pid_t *pid);

#endif /* RING_SOCKET_H */
