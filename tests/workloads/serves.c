// SPDX-License-Identifier: BSD-2-Clause
/*
 * A server on a socket of the file system, and its client: serves SOCKET, and serves SOCKET client.
 * Each request allocates blocks of sizes of its own, and makes something else of it when that
 * fails. It ends by SIGTERM, and frees what it has.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static volatile sig_atomic_t is_over;

static void on_term(int signal)
{
	(void)signal;
	is_over = 1;
}

__attribute__((noinline)) static const char *forgetful(void)
{
	char *first = malloc(300), *second;

	if (!first)
		return "error";
	second = malloc(301);
	if (!second)
		return "error";
	free(second);
	free(first);
	return "ok";
}

__attribute__((noinline)) static const char *tidy(void)
{
	char *first = malloc(310), *second = malloc(311);
	const char *reply = first && second ? "ok" : "error";

	free(second);
	free(first);
	return reply;
}

__attribute__((noinline)) static const char *crashing(void)
{
	char *block = malloc(320);

	*(volatile char *)block = 1;
	free(block);
	return "ok";
}

__attribute__((noinline)) static const char *hanging(void)
{
	char *block = malloc(330);

	while (!block)
		pause();
	free(block);
	return "ok";
}

__attribute__((noinline)) static const char *silent(void)
{
	char *block = malloc(340);
	const char *reply = block ? "ok, all of it" : "ok";

	free(block);
	return reply;
}

__attribute__((noinline)) static const char *dying(void)
{
	char *block = malloc(350);

	if (!block)
		exit(3);
	free(block);
	return "ok";
}

static const struct {
	const char *name, *(*answer)(void);
} requests[] = { { "forgetful", forgetful }, { "tidy", tidy },	   { "crashing", crashing },
		 { "hanging", hanging },     { "silent", silent }, { "dying", dying } };

#define NR_REQUESTS (sizeof(requests) / sizeof(requests[0]))

static void serve_one(int fd)
{
	const char *reply = "what?";
	char name[32];
	ssize_t len = read(fd, name, sizeof(name) - 1);

	name[len > 0 ? len : 0] = '\0';
	for (size_t i = 0; i < NR_REQUESTS; i++)
		if (!strcmp(name, requests[i].name))
			reply = requests[i].answer();
	if (send(fd, reply, strlen(reply), MSG_NOSIGNAL) < 0)
		perror("send");
	close(fd);
}

static int serve(int fd, const struct sockaddr_un *address)
{
	static const char greeting[] = "serves: listening\n";
	struct pollfd poll = { .fd = fd, .events = POLLIN };
	struct sigaction action = { .sa_handler = on_term };
	char *state = malloc(360);
	sigset_t term, none;

	if (!state)
		return 4;
	sigemptyset(&none);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	sigaction(SIGTERM, &action, NULL);
	unlink(address->sun_path);
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) || listen(fd, 9))
		return 5;
	if (write(STDOUT_FILENO, greeting, sizeof(greeting) - 1) < 0)
		return 6;
	while (!is_over)
		if (ppoll(&poll, 1, NULL, &none) > 0)
			serve_one(accept(fd, NULL, NULL));
	unlink(address->sun_path);
	free(state);
	return 0;
}

/* 0: ok, 1: the server says it is not, 2: it says nothing. */
static int ask(const struct sockaddr_un *address, const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char reply[64];
	ssize_t len;

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) ||
	    write(fd, name, strlen(name)) < 0)
		return 2;
	len = read(fd, reply, sizeof(reply) - 1);
	close(fd);
	if (len <= 0)
		return 2;
	reply[len] = '\0';
	printf("%s: %s\n", name, reply);
	return strncmp(reply, "ok", 2) != 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int status = 0;

	if (argc < 2)
		return 7;
	strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
	if (argc == 2)
		return serve(socket(AF_UNIX, SOCK_STREAM, 0), &address);
	for (size_t i = 0; i < NR_REQUESTS && status < 2; i++) {
		int one = ask(&address, requests[i].name);

		status = one > status ? one : status;
	}
	return status;
}
