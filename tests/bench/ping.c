// SPDX-License-Identifier: BSD-2-Clause
/*
 * A client that asks a server on this machine one thing after the other and tells how long the
 * longest answer took: ping redis|http PORT. For each line it reads it writes one: the longest wait
 * since the line before, in us, of answers begun or awaited meanwhile, and the number of answers.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Between two requests: leaves most of a processor to others. */
#define PAUSE_NS 100000

static const char *request;
static int server;
static _Atomic long long asked_at, longest, answers;

static long long now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void raise_longest(long long ns)
{
	long long old = longest;

	while (old < ns && !atomic_compare_exchange_weak(&longest, &old, ns))
		;
}

static void *ask(void *unused)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	char answer[4096];

	for (;;) {
		asked_at = now_ns();
		if (write(server, request, strlen(request)) < 0 ||
		    read(server, answer, sizeof(answer)) <= 0)
			break;
		raise_longest(now_ns() - asked_at);
		asked_at = 0;
		answers++;
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "the server hung up\n");
	exit(1);
}

/* The answer that is being waited for counts as far as it has taken. */
static void tell(void)
{
	long long begun = asked_at;

	if (begun)
		raise_longest(now_ns() - begun);
	printf("%lld %lld\n", atomic_exchange(&longest, 0) / 1000, atomic_exchange(&answers, 0));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	pthread_t thread;
	char line[16];
	int yes = 1;

	if (argc != 3)
		return 2;
	request = !strcmp(argv[1], "redis") ? "PING\r\n" : "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	address.sin_port = htons((unsigned short)atoi(argv[2]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(server, (struct sockaddr *)&address, sizeof(address))) {
		perror("connect");
		return 1;
	}
	if (pthread_create(&thread, NULL, ask, NULL))
		return 1;
	while (fgets(line, sizeof(line), stdin))
		tell();
	return 0;
}
