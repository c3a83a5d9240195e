// SPDX-License-Identifier: BSD-2-Clause
#include "probe/guard.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "follow_abi.h"

/* Closes every descriptor but those three. */
static void close_others(int one, int two, int three)
{
	int keep[] = { min(one, min(two, three)), 0, max(one, max(two, three)) };
	unsigned from = 0;

	keep[1] = one + two + three - keep[0] - keep[2];
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++) {
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0u, 0);
}

static bool is_stopped(const struct followed *entry, const volatile struct unwind_process *slots)
{
	const volatile struct unwind_process *slot = &slots[entry->slot];

	if (!(entry->flags & FOLLOW_MAY_STOP))
		return false;
	return !entry->slot || slot->stopped || slot->held;
}

static void continue_all(int followed_fd, const volatile struct unwind_process *slots)
{
	uint32_t pid, *before = NULL;
	struct followed entry;

	while (!bpf_map_get_next_key(followed_fd, before, &pid)) {
		if (!bpf_map_lookup_elem(followed_fd, &pid, &entry) &&
		    entry.slot < UNWIND_MAX_SLOTS && is_stopped(&entry, slots))
			kill((pid_t)pid, SIGCONT);
		before = &pid;
	}
}

/*
 * Every descriptor that is not needed must go: a copy of a link's would keep the probes alive. The
 * watcher's pidfd becomes readable when all its descriptors are closed, so nothing stops a process
 * any more.
 */
static _Noreturn void keep_watch(int watcher_pidfd, int followed_fd, int ready_fd,
				 const volatile struct unwind_process *slots)
{
	struct pollfd watcher = { .fd = watcher_pidfd, .events = POLLIN };

	prctl(PR_SET_NAME, "heaptap-guard");
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	close_others(watcher_pidfd, followed_fd, ready_fd);
	close(ready_fd);
	while (poll(&watcher, 1, -1) < 0 && errno == EINTR)
		;
	continue_all(followed_fd, slots);
	_exit(0);
}

/* Waits until the guard has let go of the links: were it the last to have them when it is killed,
 * the kernel would leave the probes in the target ("failed to unregister, leaking uprobe"). */
static void wait_until_ready(int ready_fd)
{
	char byte;

	while (read(ready_fd, &byte, 1) < 0 && errno == EINTR)
		;
}

int guard__start(struct guard *guard, int followed_fd, const volatile struct unwind_process *slots)
{
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int ready[2], err = 0;

	guard->pid = 0;
	if (self < 0)
		return -errno;
	if (pipe2(ready, O_CLOEXEC)) {
		err = -errno;
		close(self);
		return err;
	}
	guard->pid = fork();
	if (guard->pid == 0)
		keep_watch(self, followed_fd, ready[1], slots);
	if (guard->pid < 0)
		err = -errno;
	close(ready[1]);
	wait_until_ready(ready[0]);
	close(ready[0]);
	close(self);
	return err;
}

void guard__end(struct guard *guard)
{
	if (guard->pid <= 0)
		return;
	kill(guard->pid, SIGKILL);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	guard->pid = 0;
}
