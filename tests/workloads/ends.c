// SPDX-License-Identifier: BSD-2-Clause
/* A failed allocation makes it end by a signal, by its size which; some of them no error of its
 * own. */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The kernel sends them, where it can be brought to. */
static void write_to_nobody(void)
{
	int ends[2];

	if (pipe(ends))
		_exit(9);
	close(ends[0]);
	if (write(ends[1], "x", 1) < 0)
		_exit(8);
}

static void die_in_child(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		*(volatile char *)NULL = 1;
		_exit(0);
	}
	waitpid(child, &status, 0);
	write_to_nobody();
}

static void in_child(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		write_to_nobody();
		_exit(0);
	}
	waitpid(child, &status, 0);
}

static void over_limit(void)
{
	struct rlimit none = { 0, 0 };
	char name[] = "/tmp/heaptap-ends-XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0 || unlink(name) || setrlimit(RLIMIT_FSIZE, &none))
		_exit(9);
	if (write(fd, "x", 1) < 0)
		_exit(8);
}

/* Each call of it is a path. */
__attribute__((noinline)) static bool lacks(size_t bytes)
{
	void *block = malloc(bytes);
	bool lacks = !block;

	free(block);
	return lacks;
}

/* Of one byte, behind which there is another function. */
__attribute__((noinline)) static void halts(void)
{
#ifdef __x86_64__
	__asm__ volatile("hlt");
#endif
	__builtin_unreachable();
}

/* As an error path does that frees what its caller frees, too. */
static void free_twice(void)
{
	char *volatile block = malloc(20);

	free(block);
	free(block);
}

int main(void)
{
	if (lacks(400))
		write_to_nobody();
	if (lacks(401))
		raise(SIGTERM);
	if (lacks(402))
		raise(SIGUSR1);
	if (lacks(403))
		raise(SIGKILL);
	if (lacks(404))
		over_limit();
	if (lacks(405))
		raise(SIGALRM);
	if (lacks(406))
		raise(SIGFPE);
	if (lacks(407))
		raise(SIGSYS);
	if (lacks(408))
		die_in_child();
	if (lacks(409))
		in_child();
	if (lacks(410))
		raise(SIGABRT);
	if (lacks(411))
		free_twice();
	if (lacks(412))
		halts();
	return 0;
}
