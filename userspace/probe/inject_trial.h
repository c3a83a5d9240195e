/* SPDX-License-Identifier: BSD-2-Clause */
/* May a probe's program change the registers of the process it has stopped? Found by doing it to
 * heaptap itself. */
#ifndef INJECT_TRIAL_H
#define INJECT_TRIAL_H

#include <stddef.h>

/*
 * Calls a function of ours whose argument a probe replaces. 0; or the -errno of what failed, and
 * why to `why`, of size bytes, as half a sentence: what the kernel's verifier says of such a
 * program, or what it is that did not work.
 */
int inject_trial__run(char *why, size_t size);

#endif /* INJECT_TRIAL_H */
