// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

/*
 * What the child's exit status says. Everything else is somebody's exit() or abort in a library,
 * a sanitizer's for one.
 */
#define STATUS_DONE   0
#define STATUS_EXITED 63 /* exit() was called: base/ and libdw do so when memory runs out */
#define STATUS_ERRNO  64 /* + the errno that work returned */

static void limit(int resource, uint64_t soft, uint64_t hard)
{
	struct rlimit old, new;

	if (getrlimit(resource, &old))
		return;
	new.rlim_max = min((rlim_t)hard, old.rlim_max);
	new.rlim_cur = min((rlim_t)soft, new.rlim_max);
	setrlimit(resource, &new);
}

static void limit_memory(uint64_t more_bytes)
{
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory is terabytes of address space */
	unsigned long pages;
	FILE *statm = fopen("/proc/self/statm", "re");
	uint64_t bytes;

	if (!statm)
		return;
	if (fscanf(statm, "%lu", &pages) == 1) {
		bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) + more_bytes;
		limit(RLIMIT_AS, bytes, bytes);
	}
	fclose(statm);
#endif
}

/* The parent's exit handlers and half-written stdio buffers are none of the child's business. */
static void end_at_once(void)
{
	_exit(STATUS_EXITED);
}

static void confine(const struct isolate_limits *limits, pid_t parent)
{
	uint64_t seconds = limits->wall_ns / NSEC_PER_SEC + 1;
	sigset_t none;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_EXITED);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	atexit(end_at_once);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDERR_FILENO);
		if (null != STDERR_FILENO)
			close(null);
	} else {
		close(STDERR_FILENO);
	}
	limit(RLIMIT_CORE, 0, 0);
	limit(RLIMIT_CPU, seconds, seconds + 1);
	limit_memory(limits->memory_bytes);
}

/* Milliseconds to the deadline, rounded up. */
static int milliseconds_to(uint64_t deadline_ns)
{
	uint64_t now = clock__monotonic_ns();

	return now >= deadline_ns ? 0 : (int)min((deadline_ns - now) / 1000000 + 1, 3600000ull);
}

/* Reads all that comes until the last writer has closed its end. */
static int collect(int fd, const struct isolate_limits *limits, uint64_t deadline_ns, char **output,
		   size_t *len)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t capacity = 0;
	ssize_t got;
	int ready;

	for (;;) {
		ready = poll(&wait, 1, milliseconds_to(deadline_ns));
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (clock__monotonic_ns() >= deadline_ns)
			return -ETIMEDOUT;
		if (ready <= 0)
			continue;
		if (*len == capacity) {
			capacity = capacity ? capacity * 2 : 65536;
			*output = xrealloc(*output, capacity);
		}
		got = read(fd, *output + *len, capacity - *len);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (!got)
			return 0;
		*len += got > 0 ? (size_t)got : 0;
		if (*len > limits->output_bytes)
			return -EMSGSIZE;
	}
}

/* Waits for a child that should be about to end: it may have closed the pipe and go on. */
static int reap(pid_t child, uint64_t deadline_ns, int *status)
{
	pid_t ended;

	for (;;) {
		ended = waitpid(child, status, WNOHANG);
		if (ended == child)
			return 0;
		if (ended < 0 && errno != EINTR)
			return -errno;
		if (clock__monotonic_ns() >= deadline_ns)
			return -ETIMEDOUT;
		poll(NULL, 0, 1);
	}
}

static int judge(int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		return -ETIMEDOUT;
	/* Nobody but the kernel, out of memory or CPU time, kills it so. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return -ENOMEM;
	if (!WIFEXITED(status))
		return -EFAULT;
	if (WEXITSTATUS(status) == STATUS_DONE)
		return 0;
	if (WEXITSTATUS(status) == STATUS_EXITED)
		return -ENOMEM;
	return WEXITSTATUS(status) > STATUS_ERRNO ? STATUS_ERRNO - WEXITSTATUS(status) : -EFAULT;
}

static _Noreturn void run_child(int (*work)(int fd, void *data), void *data,
				const struct isolate_limits *limits, int fd, pid_t parent)
{
	int err;

	confine(limits, parent);
	err = work(fd, data);
	_exit(err ? STATUS_ERRNO + min(abs(err), 255 - STATUS_ERRNO) : STATUS_DONE);
}

int isolate__run(int (*work)(int fd, void *data), void *data, const struct isolate_limits *limits,
		 char **output, size_t *len)
{
	uint64_t deadline_ns = clock__monotonic_ns() + limits->wall_ns;
	pid_t child, parent = getpid();
	int ends[2], status = 0, err;

	*output = NULL;
	*len = 0;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	child = fork();
	if (child < 0) {
		err = -errno;
		close(ends[0]);
		close(ends[1]);
		return err;
	}
	if (!child) {
		close(ends[0]);
		run_child(work, data, limits, ends[1], parent);
	}
	close(ends[1]);
	err = collect(ends[0], limits, deadline_ns, output, len);
	if (!err)
		err = reap(child, deadline_ns, &status);
	if (err) {
		kill(child, SIGKILL);
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
	} else {
		err = judge(status);
	}
	close(ends[0]);
	if (err) {
		free(*output);
		*output = NULL;
		*len = 0;
	}
	return err;
}
