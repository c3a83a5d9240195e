// SPDX-License-Identifier: BSD-2-Clause
#include "probe/launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

/* A loader that has not finished after so many system calls is let go: its later files are found as
 * those of a running process. */
#define MAX_LOADER_STOPS    100000
#define MAX_SEGMENTS	    64
#define MAX_DYNAMIC_ENTRIES 512

/* In the child: waits to be traced, then becomes the command. exec's errno goes to report_fd. */
static _Noreturn void become_command(char **command, const struct sigaction *on_child,
				     const int go[2], int report_fd)
{
	ssize_t got;
	char byte;
	int err;

	sigaction(SIGCHLD, on_child, NULL);
	close(go[1]); /* or the end of heaptap would not be the end of the pipe */
	do {
		got = read(go[0], &byte, 1);
	} while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(126);
	execvp(command[0], command);
	err = errno;
	while (write(report_fd, &err, sizeof(err)) < 0 && errno == EINTR)
		;
	_exit(err == ENOENT ? 127 : 126);
}

static int wait_for(pid_t pid, int *status)
{
	while (waitpid(pid, status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static bool read_target(pid_t pid, uint64_t address, void *buffer, size_t len)
{
	struct iovec local = { buffer, len }, remote = { (void *)(uintptr_t)address, len };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

/* The address of the dynamic section, from the program headers the kernel told the process of. */
static uint64_t find_dynamic(pid_t pid)
{
	uint64_t headers = 0, nr = 0, loader = 0, bias = 0, dynamic = 0;
	char path[64];
	size_t len;
	char *text;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	text = file__read_all(path, 1 << 16, &len);
	if (!text)
		return 0;
	for (size_t at = 0; at + sizeof(Elf64_auxv_t) <= len; at += sizeof(Elf64_auxv_t)) {
		const Elf64_auxv_t *entry = (const Elf64_auxv_t *)(text + at);

		if (entry->a_type == AT_PHDR)
			headers = entry->a_un.a_val;
		else if (entry->a_type == AT_PHNUM)
			nr = entry->a_un.a_val;
		else if (entry->a_type == AT_BASE)
			loader = entry->a_un.a_val;
	}
	free(text);
	if (!loader) /* no loader: linked statically */
		return 0;
	for (uint64_t i = 0; i < min(nr, MAX_SEGMENTS); i++) {
		Elf64_Phdr segment;

		if (!read_target(pid, headers + i * sizeof(segment), &segment, sizeof(segment)))
			return 0;
		if (segment.p_type == PT_PHDR)
			bias = headers - segment.p_vaddr;
		else if (segment.p_type == PT_DYNAMIC)
			dynamic = segment.p_vaddr;
	}
	return dynamic ? bias + dynamic : 0;
}

/*
 * Has the loader mapped everything? It says so to debuggers: DT_DEBUG points to a struct r_debug,
 * whose r_state goes to RT_ADD before the first library and back to RT_CONSISTENT after the last,
 * and only then are constructors run (glibc elf/rtld.c; musl ldso/dynlink.c keeps the same
 * protocol).
 */
static bool loader_is_done(const struct launch *launch)
{
	struct r_debug debug = { 0 };

	for (unsigned i = 0; i < MAX_DYNAMIC_ENTRIES; i++) {
		Elf64_Dyn entry;

		if (!read_target(launch->pid, launch->dynamic + i * sizeof(entry), &entry,
				 sizeof(entry)) ||
		    entry.d_tag == DT_NULL)
			return false;
		if (entry.d_tag == DT_DEBUG)
			return entry.d_un.d_ptr &&
			       read_target(launch->pid, entry.d_un.d_ptr, &debug, sizeof(debug)) &&
			       debug.r_map && debug.r_state == RT_CONSISTENT;
	}
	return false;
}

static int release(struct launch *launch, int signal)
{
	launch->loading = false;
	if (ptrace(PTRACE_DETACH, launch->pid, 0, signal) && errno != ESRCH)
		return -errno;
	return LAUNCH_RUNNING;
}

/* Runs the child into exec and its stop behind it. */
static int run_into_exec(struct launch *launch, int go_fd, int report_fd)
{
	int status, exec_errno, err;
	ssize_t got;

	if (ptrace(PTRACE_SEIZE, launch->pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD))
		return -errno;
	if (write(go_fd, "", 1) != 1)
		return -errno;
	for (;;) {
		err = wait_for(launch->pid, &status);
		if (err)
			return err;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			got = read(report_fd, &exec_errno, sizeof(exec_errno));
			return got == sizeof(exec_errno) ? -exec_errno : -ECHILD;
		}
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			return 0;
		if (ptrace(PTRACE_CONT, launch->pid, 0, status >> 16 ? 0 : WSTOPSIG(status)))
			return -errno;
	}
}

int launch__start(struct launch *launch, char **command)
{
	struct sigaction by_default = { .sa_handler = SIG_DFL }, on_child;
	int go[2], report[2], err;

	*launch = (struct launch){ .loading = true };
	/* Where SIGCHLD is ignored, the command's status would be lost; the command still inherits
	 * it. */
	sigaction(SIGCHLD, &by_default, &on_child);
	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(report, O_CLOEXEC)) {
		err = -errno;
		close(go[0]);
		close(go[1]);
		return err;
	}
	launch->pid = fork();
	if (launch->pid == 0)
		become_command(command, &on_child, go, report[1]);
	err = launch->pid < 0 ? -errno : 0;
	close(go[0]);
	close(report[1]);
	if (!err)
		err = run_into_exec(launch, go[1], report[0]);
	close(go[1]);
	close(report[0]);
	if (err) {
		if (launch->pid > 0 && err != -ECHILD) {
			kill(launch->pid, SIGKILL);
			waitpid(launch->pid, NULL, WNOHANG);
		}
		log_err("%s cannot be run: %s.", command[0], strerror(-err));
		return err;
	}
	launch->dynamic = find_dynamic(launch->pid);
	return 0;
}

/* At a system call's entry or exit. Returns the event to report, or -1 to go on. */
static int syscall_stop(struct launch *launch)
{
	struct __ptrace_syscall_info info;
	uint64_t *args = info.entry.args;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, launch->pid, sizeof(info), &info) < 0)
		return release(launch, 0);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		launch->maps_code =
			(info.entry.nr == SYS_mmap && args[2] & PROT_EXEC && (int)args[4] >= 0) ||
			(info.entry.nr == SYS_mprotect && args[2] & PROT_EXEC);
		return -1;
	}
	if (launch->maps_code)
		return LAUNCH_MAPPED;
	if (loader_is_done(launch) || ++launch->nr_stops > MAX_LOADER_STOPS)
		return release(launch, 0);
	return -1;
}

int launch__next(struct launch *launch)
{
	int signal = 0, request = PTRACE_SYSCALL, status, event, err;

	if (!launch->loading)
		return LAUNCH_RUNNING;
	if (!launch->dynamic)
		return release(launch, 0);
	for (;;) {
		if (ptrace((enum __ptrace_request)request, launch->pid, 0, signal) &&
		    errno != ESRCH)
			return -errno;
		err = wait_for(launch->pid, &launch->status);
		if (err)
			return err;
		status = launch->status;
		signal = 0;
		request = PTRACE_SYSCALL;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			launch->loading = false;
			return LAUNCH_ENDED;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			event = syscall_stop(launch);
			if (event >= 0)
				return event;
		} else if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
			launch->maps_code = true; /* exec's own exit comes next */
			launch->dynamic = find_dynamic(launch->pid);
			if (!launch->dynamic)
				return release(launch, 0);
		} else if (status >> 16 == PTRACE_EVENT_STOP) {
			request = PTRACE_LISTEN; /* stopped by somebody: stays so until SIGCONT */
		} else if (WSTOPSIG(status) != SIGSTOP) {
			signal = WSTOPSIG(status);
		} /* else our own programs hold it, as they do a child: it is held already */
	}
}
