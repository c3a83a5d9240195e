/* SPDX-License-Identifier: BSD-2-Clause */
/* The running processes that a command line means. */
#ifndef TARGETS_H
#define TARGETS_H

#include "cmd/opts.h"
#include "probe/select.h"

/* Adds them to set. 0; or -errno after saying which cannot be found. */
int targets__find(const struct options *options, struct pid_set *set);

/* Is a running process meant at all? */
bool targets__named(const struct options *options);

#endif /* TARGETS_H */
