/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes of a run under ptrace: who they are, and what to do with what they report. */
#ifndef FAIL_TRACEES_H
#define FAIL_TRACEES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "fail/stack.h"

struct tracees {
	pid_t main;
	pid_t *all; /* threads and processes that live, the first one, too */
	size_t nr, capacity;
	bool traced;	 /* else there is none but main */
	bool has_ended;	 /* main has */
	int status;	 /* of main, as wait(2) has it */
	int signal;	 /* an error's of main, else of the first child; else main's; 0: none */
	pid_t signalled; /* the process that got it, or a thread of that */
	unsigned nr_stacks;
	struct fail_stack crash; /* where that signal came; may be empty */
	pid_t *exited;		 /* threads and processes that have ended by exit */
	size_t nr_exited, exited_capacity;
	struct fail_stack last; /* of the last signal of that kind */
	int last_signal;
	pid_t last_process;
};

/* Traces child and what it starts; all dies with the tracer. False: not allowed here. */
bool tracees__begin(struct tracees *tracees, pid_t child);
/* Takes what wait(2) says of pid. */
void tracees__take(struct tracees *tracees, pid_t pid, int status);
/* Kills all that live. */
void tracees__kill(const struct tracees *tracees);
void tracees__clear(struct tracees *tracees);

#endif /* FAIL_TRACEES_H */
