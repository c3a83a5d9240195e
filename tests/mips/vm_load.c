// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is run in a MIPS machine: allocations some calls deep, in two threads and in a child that is
 * executed; before that, what the kernel answers to bpf(). With an address and a port, 12345 bytes
 * go there by TCP. Prints "bpf ERRNO" and "done".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE  __attribute__((noinline))
#define NR_SENT   12345
#define NR_ROUNDS 50

static NOINLINE void *allocate(int depth)
{
	void *block = depth > 0 ? allocate(depth - 1) : malloc(40);

	__asm__ volatile("" : "+r"(block)); /* no tail call */
	return block;
}

static void *work(void *arg)
{
	for (int i = 0; i < NR_ROUNDS; i++)
		free(allocate(i % 10));
	return arg;
}

static int in_child(const char *self)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execl(self, self, "child", (char *)NULL);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int send_bytes(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char bytes[NR_SENT];
	size_t nr = 0;
	ssize_t done;

	memset(bytes, 'x', sizeof(bytes));
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	while (nr < sizeof(bytes) && (done = write(fd, bytes + nr, sizeof(bytes) - nr)) > 0)
		nr += (size_t)done;
	return close(fd) == 0 && nr == sizeof(bytes) ? 0 : -1;
}

int main(int argc, char **argv)
{
	pthread_t other;

	if (argc == 2) {
		work(NULL);
		return 7;
	}
	errno = 0;
	syscall(SYS_bpf, 0, NULL, 0);
	printf("bpf %d\n", errno);
	if (pthread_create(&other, NULL, work, NULL) != 0)
		return 1;
	work(NULL);
	pthread_join(other, NULL);
	if (in_child(argv[0]) != 7)
		return 2;
	if (argc == 3 && send_bytes(argv[1], argv[2]) < 0) {
		printf("connect %d\n", errno);
		return 3;
	}
	puts("done");
	return 0;
}
