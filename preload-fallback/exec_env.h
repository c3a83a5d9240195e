/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The environment of what a watched process starts: the library goes with it, as the kernel's
 * probes would, also where the program makes an environment of its own (env -i). Only with a shared
 * ring: who has set variables for a file has done so for those who inherit them.
 */
#ifndef PRELOAD_EXEC_ENV_H
#define PRELOAD_EXEC_ENV_H

#include <stddef.h>

#include "recorder.h"

/* Remembers what the process was started with. */
void exec_env__note(char *const *environment);

/* Bytes that exec_env__make needs for that environment; 0: it is used as it is. */
size_t exec_env__bytes(char *const *environment);

/* An environment with the library in it, in memory aligned to pointers, which shares strings with
 * this one. Touches nothing else: a child by vfork calls it. */
char *const *exec_env__make(void *memory, char *const *environment);

/* On the caller's stack. */
#define WITH_LIBRARY(environment)                                                    \
	(recorder__is_shared() && exec_env__bytes(environment)                       \
		 ? exec_env__make(alloca(exec_env__bytes(environment)), environment) \
		 : (environment))

#endif /* PRELOAD_EXEC_ENV_H */
