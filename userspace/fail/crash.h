/* SPDX-License-Identifier: BSD-2-Clause */
/* The stack of a thread that is about to die of a signal, as its tracer sees it. */
#ifndef FAIL_CRASH_H
#define FAIL_CRASH_H

#include <sys/types.h>

#include "fail/stack.h"

/*
 * Of a thread that is stopped under ptrace, by the caller. The first frame is one byte behind where
 * the program stands, as if that were a call. Where a function was called at an address where no
 * code is, the stack begins with a frame without file, and goes on with the caller. On machines
 * other than x86-64, and when nothing can be read, the stack is empty.
 */
struct fail_stack fail_crash__stack(pid_t tid);

#endif /* FAIL_CRASH_H */
