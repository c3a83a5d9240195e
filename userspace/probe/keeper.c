// SPDX-License-Identifier: BSD-2-Clause
#include "probe/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "probe/keeper_process.h"

/* Handles of links that the keeper has; those of our own are descriptors, from 0 up. */
#define FIRST_HANDLE (1 << 24)

static struct {
	int socket; /* 0: there is no keeper */
	pid_t pid;
	uint32_t nr_given;
} keeper;

static void send_message(uint32_t verb, uint32_t link, int fd1, int fd2)
{
	struct keeper_message message = { .verb = verb, .link = link };
	int fds[2] = { fd1, fd2 };
	size_t nr_fds = (size_t)(fd1 >= 0) + (fd2 >= 0);

	while (keeper__send(keeper.socket, &message, fds, nr_fds) == -EINTR)
		;
}

void keeper__start(void)
{
	int sockets[2], err = 0;

	if (keeper.socket)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) {
		err = -errno;
	} else {
		keeper.pid = fork();
		if (keeper.pid == 0)
			keeper__run(sockets[1]);
		err = keeper.pid < 0 ? -errno : 0;
		close(sockets[1]);
		if (err)
			close(sockets[0]);
	}
	if (err)
		log_warn("No process could be started that would clean up should heaptap be "
			 "killed: %s.",
			 strerror(-err));
	else
		keeper.socket = sockets[0];
}

void keeper__end(void)
{
	if (!keeper.socket)
		return;
	close(keeper.socket);
	keeper.socket = 0;
	while (waitpid(keeper.pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void keeper__watch(int followed_fd, int processes_fd)
{
	if (keeper.socket)
		send_message(KEEPER_WATCH, 0, followed_fd, processes_fd);
}

int keeper__give(int fd)
{
	uint32_t link = keeper.nr_given;

	if (!keeper.socket)
		return fd;
	keeper.nr_given++;
	send_message(KEEPER_KEEP, link, fd, -1);
	close(fd);
	return FIRST_HANDLE + (int)link;
}

void keeper__close(int handle)
{
	if (handle < FIRST_HANDLE)
		close(handle);
	else if (keeper.socket)
		send_message(KEEPER_CLOSE, (uint32_t)(handle - FIRST_HANDLE), -1, -1);
}

void keeper__wait(void)
{
	struct keeper_message answer;

	if (!keeper.socket)
		return;
	send_message(KEEPER_TELL, 0, -1, -1);
	while (recv(keeper.socket, &answer, sizeof(answer), 0) < 0 && errno == EINTR)
		;
}
