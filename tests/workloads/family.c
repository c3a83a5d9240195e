/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * family WAY...: makes a child in each of these ways, each after an allocation of its own, and waits
 * for it. Children that do not exec give back a block that they inherited and keep some of their own.
 *
 *   fork     keeps 3 x 700 bytes       vfork    execs this program as `family leaf`
 *   spawn    posix_spawn of the same   clone    clone(SIGCHLD), no atfork handlers, as fork
 *   twice    forks, and its child forks: both as fork
 *   exec     fork, then exec of `family leaf`
 *   thread   forks in a thread
 *   leaf     (for the others) keeps 60 and 5 x 900 bytes and exits
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(what) ((what) ? (void)0 : (perror(#what), exit(1)))

extern char **environ;

static void *volatile sink;
static char *inherited;

static void keep(int nr, size_t bytes)
{
	while (nr--)
		sink = malloc(bytes);
}

static void wait_for(pid_t pid)
{
	int status;

	MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static void child(void)
{
	free(inherited);
	keep(3, 700);
}

static void way_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		child();
		exit(0);
	}
	wait_for(pid);
}

static void way_clone(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid) {
		child();
		_exit(0);
	}
	wait_for(pid);
}

static void way_twice(void)
{
	pid_t pid = fork();

	if (!pid) {
		child();
		inherited = malloc(50);
		way_fork();
		exit(0);
	}
	wait_for(pid);
}

static char *const leaf[] = {"family", "leaf", NULL};

static void way_exec(void)
{
	pid_t pid = fork();

	if (!pid) {
		keep(2, 300); /* gone with the image */
		execv("/proc/self/exe", leaf);
		_exit(1);
	}
	wait_for(pid);
}

static void way_vfork(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execv("/proc/self/exe", leaf);
		_exit(1);
	}
	wait_for(pid);
}

static void way_spawn(void)
{
	pid_t pid;

	MUST(!posix_spawn(&pid, "/proc/self/exe", NULL, NULL, leaf, environ));
	wait_for(pid);
}

static void *fork_here(void *data)
{
	way_fork();
	return NULL;
}

static void way_thread(void)
{
	pthread_t thread;

	MUST(!pthread_create(&thread, NULL, fork_here, NULL));
	MUST(!pthread_join(thread, NULL));
}

static void way_leaf(void)
{
	keep(5, 900);
}

static const struct {
	const char *name;
	void (*go)(void);
} ways[] = {
	{"fork", way_fork}, {"clone", way_clone}, {"twice", way_twice}, {"exec", way_exec},
	{"vfork", way_vfork}, {"spawn", way_spawn}, {"thread", way_thread}, {"leaf", way_leaf},
};

int main(int argc, char **argv)
{
	inherited = malloc(5000);
	for (int i = 1; i < argc; i++) {
		keep(1, 60);
		for (size_t k = 0; k < sizeof(ways) / sizeof(ways[0]); k++)
			if (!strcmp(ways[k].name, argv[i]))
				ways[k].go();
	}
	return 0;
}
