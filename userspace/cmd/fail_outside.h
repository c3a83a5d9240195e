/* SPDX-License-Identifier: BSD-2-Clause */
/* heaptap fail -p PID: allocations of a process that runs already are made to fail, by BPF. */
#ifndef FAIL_OUTSIDE_H
#define FAIL_OUTSIDE_H

#include "cmd/opts.h"

/*
 * Does so, printing each failed call, until Ctrl-C, the time is up, all that may fail has failed,
 * or the process ends. Returns the exit status: 128 + the signal's number when one ended the
 * process.
 */
int fail_outside__run(const struct options *options);

#endif /* FAIL_OUTSIDE_H */
