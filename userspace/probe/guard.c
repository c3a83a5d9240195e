// SPDX-License-Identifier: BSD-2-Clause
#include "probe/guard.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

/*
 * Every descriptor but the two must go: a copy of a link's would keep the probes alive. The
 * watcher's pidfd becomes readable when all its descriptors are closed, so nothing stops the target
 * any more.
 */
static _Noreturn void keep_watch(int watcher_pidfd, int target_pidfd,
				 const volatile uint32_t *stopped)
{
	int low = min(watcher_pidfd, target_pidfd), high = max(watcher_pidfd, target_pidfd);
	struct pollfd watcher = { .fd = watcher_pidfd, .events = POLLIN };

	prctl(PR_SET_NAME, "heaptap-guard");
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (low > 0)
		close_range(0, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, ~0u, 0);
	while (poll(&watcher, 1, -1) < 0 && errno == EINTR)
		;
	if (*stopped)
		syscall(SYS_pidfd_send_signal, target_pidfd, SIGCONT, NULL, 0);
	_exit(0);
}

int guard__start(struct guard *guard, int target_pidfd, const volatile uint32_t *stopped)
{
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);

	guard->pid = 0;
	if (self < 0)
		return -errno;
	guard->pid = fork();
	if (guard->pid == 0)
		keep_watch(self, target_pidfd, stopped);
	close(self);
	return guard->pid < 0 ? -errno : 0;
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
