// SPDX-License-Identifier: BSD-2-Clause
#include "fail/tracees.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/util.h"
#include "fail/crash.h"
#include "fail/verdict.h"

/* Programs that handle such signals in their normal work get no more of them looked at. */
#define MAX_STACKS 16
#define MAX_ALL	   65536

#define MAX_STATUS_BYTES (64u << 10)

static void add(struct tracees *tracees, pid_t pid)
{
	for (size_t i = 0; i < tracees->nr; i++)
		if (tracees->all[i] == pid)
			return;
	if (tracees->nr == MAX_ALL) {
		kill(pid, SIGKILL);
		return;
	}
	tracees->all =
		array__grow(tracees->all, tracees->nr, &tracees->capacity, sizeof(*tracees->all));
	tracees->all[tracees->nr++] = pid;
}

bool tracees__begin(struct tracees *tracees, pid_t child)
{
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			     PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;

	tracees->main = child;
	add(tracees, child);
	tracees->traced = !ptrace(PTRACE_SEIZE, child, NULL, options);
	return tracees->traced;
}

/* That the thread is of; the thread where that is not known. */
static pid_t process_of(pid_t tid)
{
	char path[64], *text, *line;
	pid_t process = tid;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	text = file__read_all(path, MAX_STATUS_BYTES, NULL);
	line = text ? strstr(text, "\nTgid:") : NULL;
	if (line)
		process = (pid_t)strtol(line + strlen("\nTgid:"), NULL, 10);
	free(text);
	return process;
}

static void note_signal(struct tracees *tracees, pid_t pid, int signal)
{
	if (!fail_verdict__is_error_signal(signal) || tracees->nr_stacks == MAX_STACKS)
		return;
	tracees->nr_stacks++;
	fail_stack__clear(&tracees->last);
	tracees->last = fail_crash__stack(pid);
	tracees->last_signal = signal;
	tracees->last_process = process_of(pid);
}

static void note_exit(struct tracees *tracees, pid_t pid)
{
	if (tracees->nr_exited == MAX_ALL)
		return;
	tracees->exited = array__grow(tracees->exited, tracees->nr_exited,
				      &tracees->exited_capacity, sizeof(*tracees->exited));
	tracees->exited[tracees->nr_exited++] = pid;
}

/* An error of main goes before one of a child, and that before what else has ended main. */
static bool counts(const struct tracees *tracees, pid_t pid, int signal)
{
	bool is_main = pid == tracees->main;

	if (!fail_verdict__is_error_signal(signal))
		return signal && is_main && !tracees->signal;
	return is_main || !fail_verdict__is_error_signal(tracees->signal);
}

static void note_end(struct tracees *tracees, pid_t pid, int status)
{
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	for (size_t i = 0; i < tracees->nr; i++)
		if (tracees->all[i] == pid)
			tracees->all[i] = tracees->all[--tracees->nr];
	if (pid == tracees->main) {
		tracees->has_ended = true;
		tracees->status = status;
	}
	if (!signal)
		note_exit(tracees, pid);
	if (!counts(tracees, pid, signal))
		return;
	tracees->signal = signal;
	tracees->signalled = pid;
	fail_stack__clear(&tracees->crash);
	if (tracees->last_signal != signal)
		return;
	tracees->signalled = tracees->last_process;
	tracees->crash = tracees->last;
	tracees->last = (struct fail_stack){ 0 };
	tracees->last_signal = 0;
}

static bool is_stop(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static void go_on(struct tracees *tracees, pid_t pid, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_STOP && is_stop(signal)) {
		ptrace(PTRACE_LISTEN, pid, NULL, NULL);
		return;
	}
	if (!event)
		note_signal(tracees, pid, signal);
	ptrace(PTRACE_CONT, pid, NULL, (uintptr_t)(event ? 0 : signal));
}

void tracees__take(struct tracees *tracees, pid_t pid, int status)
{
	if (WIFSTOPPED(status)) {
		add(tracees, pid);
		go_on(tracees, pid, status);
	} else if (WIFEXITED(status) || WIFSIGNALED(status)) {
		note_end(tracees, pid, status);
	}
}

void tracees__kill(const struct tracees *tracees)
{
	for (size_t i = 0; i < tracees->nr; i++)
		kill(tracees->all[i], SIGKILL);
}

void tracees__clear(struct tracees *tracees)
{
	free(tracees->all);
	free(tracees->exited);
	fail_stack__clear(&tracees->crash);
	fail_stack__clear(&tracees->last);
	*tracees = (struct tracees){ 0 };
}
