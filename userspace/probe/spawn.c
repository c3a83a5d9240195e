// SPDX-License-Identifier: BSD-2-Clause
#include "probe/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

/* In the child. exec's errno goes to report_fd. */
static _Noreturn void become_command(char **command, char *const *variables,
				     const struct sigaction *on_child, int report_fd)
{
	int err;

	sigaction(SIGCHLD, on_child, NULL);
	for (; *variables; variables++)
		putenv(*variables);
	execvp(command[0], command);
	err = errno;
	while (write(report_fd, &err, sizeof(err)) < 0 && errno == EINTR)
		;
	_exit(err == ENOENT ? 127 : 126);
}

/* 0 when the pipe was closed by exec; the errno of exec, negative. */
static int wait_for_exec(int report_fd)
{
	ssize_t got;
	int err = 0;

	do {
		got = read(report_fd, &err, sizeof(err));
	} while (got < 0 && errno == EINTR);
	return got == sizeof(err) ? -err : 0;
}

pid_t spawn__command(char **command, char *const *variables)
{
	struct sigaction by_default = { .sa_handler = SIG_DFL }, on_child;
	int report[2], err = 0;
	pid_t pid = -1;

	/* Where SIGCHLD is ignored, the command's status would be lost; the command still inherits
	 * it. */
	sigaction(SIGCHLD, &by_default, &on_child);
	if (!pipe2(report, O_CLOEXEC)) {
		pid = fork();
		err = errno;
		if (pid == 0)
			become_command(command, variables, &on_child, report[1]);
		close(report[1]);
		err = pid < 0 ? -err : wait_for_exec(report[0]);
		close(report[0]);
	} else {
		err = -errno;
	}
	if (!err)
		return pid;
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	log_err("%s cannot be run: %s.", command[0], strerror(-err));
	return err;
}
