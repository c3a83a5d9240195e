// SPDX-License-Identifier: BSD-2-Clause
/*
 * Keeps blocks of many sizes in several threads, frees and resizes others, and prints how much it
 * keeps: "BYTES BLOCKS". Then, as its argument says: exit, signal (of itself; again after keeping
 * more), wait (for SIGTERM), fail (asks for more than there is), own (a handler of its own for
 * the signal), fork (a child that frees half of it), busy (signals while it allocates).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NR_THREADS 4
#define NR_ROUNDS  2000
#define MAX_KEPT   (NR_THREADS * NR_ROUNDS)

static struct {
	void *block;
	size_t bytes;
} kept[MAX_KEPT * 2];
static unsigned nr_kept;

static void note(void *block, size_t bytes)
{
	unsigned at = __atomic_fetch_add(&nr_kept, 1, __ATOMIC_RELAXED);

	if (!block)
		_exit(98);
	kept[at].block = block;
	kept[at].bytes = bytes;
}

__attribute__((noinline)) static void keep(size_t bytes)
{
	void *block;

	switch (bytes % 4) {
	case 0:
		block = malloc(bytes);
		break;
	case 1:
		block = realloc(malloc(5), bytes);
		break;
	case 2:
		block = calloc(1, bytes);
		break;
	default:
		free(malloc(bytes + 1));
		if (posix_memalign(&block, 64, bytes))
			block = NULL;
	}
	note(block, bytes);
}

static void *keep_many(void *data)
{
	for (unsigned i = 0; i < NR_ROUNDS; i++)
		keep(1 + (i * 7 + (unsigned)(uintptr_t)data) % 500);
	return NULL;
}

static void tell(void)
{
	size_t bytes = 0;
	unsigned blocks = 0;
	char line[64];
	int len;

	for (unsigned i = 0; i < nr_kept; i++) {
		bytes += kept[i].block ? kept[i].bytes : 0;
		blocks += kept[i].block != NULL;
	}
	len = snprintf(line, sizeof(line), "%zu %u\n", bytes, blocks);
	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		_exit(99);
}

static volatile sig_atomic_t nr_handled;

static void handle(int signal)
{
	(void)signal;
	nr_handled++;
}

static void free_half(void)
{
	for (unsigned i = 0; i < nr_kept; i += 2) {
		free(kept[i].block);
		kept[i].block = NULL;
	}
}

static void fork_one(void)
{
	pid_t pid = fork();

	if (!pid) {
		free_half();
		tell();
		exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* Signals that come at any moment, also inside the allocator. */
static void be_busy(void)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	pid_t child = fork(), parent = getppid();
	int status;

	if (!child) {
		parent = getppid();
		for (int i = 0; i < 20; i++) {
			nanosleep(&pause, NULL);
			kill(parent, SIGUSR2);
		}
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		for (unsigned i = 0; i < 1000; i++)
			free(realloc(malloc(i + 1), 2 * i + 1));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "exit";
	pthread_t threads[NR_THREADS];
	sigset_t set;
	int signal;

	if (!strcmp(what, "own")) {
		struct sigaction action = { .sa_handler = handle };

		sigaction(SIGUSR2, &action, NULL);
	}
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		if (pthread_create(&threads[i], NULL, keep_many, (void *)i))
			_exit(97);
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	tell();
	if (!strcmp(what, "signal")) {
		raise(SIGUSR2);
		keep_many((void *)100);
		tell();
		raise(SIGUSR2);
	} else if (!strcmp(what, "own")) {
		raise(SIGUSR2);
		if (nr_handled != 1)
			_exit(96);
	} else if (!strcmp(what, "wait")) {
		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigprocmask(SIG_BLOCK, &set, NULL);
		sigwait(&set, &signal);
	} else if (!strcmp(what, "fail")) {
		if (malloc(SIZE_MAX / 4) || errno != ENOMEM)
			_exit(95);
		free_half();
	} else if (!strcmp(what, "fork")) {
		fork_one();
	} else if (!strcmp(what, "busy")) {
		be_busy();
	}
	return 0;
}
