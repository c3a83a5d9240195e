// SPDX-License-Identifier: BSD-2-Clause
#include "fail/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

/* Of a line at most that is looked at; and of the output at once. */
#define MAX_LINE 65536
/* How often the output is looked at. */
#define LOOK_NS (NSEC_PER_SEC / 100)
/* A server that is to end has so long. */
#define STOP_NS (10 * NSEC_PER_SEC)

void driver__begin(struct driver *driver, const struct fail_drive *drive, pid_t server)
{
	bool any = drive && (drive->ready || drive->client);

	*driver = (struct driver){ .drive = any ? drive : NULL,
				   .server = server,
				   .out = -1,
				   .client_status = FAIL_NO_CLIENT,
				   .stop_ns = UINT64_MAX };
}

uint64_t driver__patience_ns(const struct driver *driver)
{
	return driver->drive && !driver->is_ready ? LOOK_NS : UINT64_MAX;
}

/* Is the line in what has come to a file since? */
static bool has_come(struct driver *driver, int which, int fd)
{
	char text[MAX_LINE + 1], *line = text, *next;
	ssize_t len = pread(fd, text, MAX_LINE, (off_t)driver->nr_seen[which]);

	if (len <= 0)
		return false;
	for (ssize_t i = 0; i < len; i++)
		text[i] = text[i] ? text[i] : '\n';
	text[len] = '\0';
	while ((next = strchr(line, '\n'))) {
		*next = '\0';
		if (!regexec(driver->drive->ready, line, 0, NULL, 0))
			return true;
		line = next + 1;
	}
	/* One that is not complete may be a prompt, or go on. */
	if (*line && !regexec(driver->drive->ready, line, 0, NULL, 0))
		return true;
	driver->nr_seen[which] +=
		(uint64_t)(line == text && len == MAX_LINE ? MAX_LINE : line - text);
	return false;
}

static bool is_ready(struct driver *driver, int out, int err)
{
	return !driver->drive->ready || (out >= 0 && has_come(driver, 0, out)) ||
	       (err >= 0 && has_come(driver, 1, err));
}

static _Noreturn void become_client(const struct driver *driver)
{
	char pid[48];
	sigset_t none;
	int in = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, STDIN_FILENO);
	dup2(driver->out, STDOUT_FILENO);
	dup2(in, STDERR_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(pid, sizeof(pid), "HEAPTAP_PID=%d", driver->server);
	putenv(pid);
	execl("/bin/sh", "sh", "-c", driver->drive->client, (char *)NULL);
	_exit(127);
}

static int start_client(struct driver *driver)
{
	pid_t pid;

	driver->out = memfd_create("client", MFD_CLOEXEC);
	if (driver->out < 0)
		return -errno;
	fcntl(driver->out, F_SETFL, O_APPEND);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		become_client(driver);
	driver->client = pid;
	return 0;
}

static void end_server(struct driver *driver)
{
	driver->has_ended_it = true;
	driver->stop_ns = clock__monotonic_ns() + STOP_NS;
	kill(driver->server, SIGTERM);
}

int driver__step(struct driver *driver, int out, int err)
{
	if (!driver->drive || driver->has_ended_it)
		return 0;
	if (!driver->is_ready) {
		driver->is_ready = is_ready(driver, out, err);
		if (driver->is_ready && driver->drive->client)
			return start_client(driver);
	}
	if (driver->is_ready && !driver->client)
		end_server(driver);
	return 0;
}

bool driver__take(struct driver *driver, pid_t pid, int status)
{
	if (!driver->client || pid != driver->client)
		return false;
	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		driver->client_status = (uint32_t)status;
		driver->client = 0;
		/* What it has left in the background is no client any more. */
		kill(-pid, SIGKILL);
	}
	return true;
}

void driver__end(struct driver *driver)
{
	int status;

	if (!driver->client)
		return;
	kill(-driver->client, SIGKILL);
	kill(driver->client, SIGKILL);
	while (waitpid(driver->client, &status, 0) < 0 && errno == EINTR)
		;
	driver->client = 0;
}
