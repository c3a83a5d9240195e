/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes chosen by what they are called, whose children they are, where they belong. */
#ifndef SELECT_H
#define SELECT_H

#include <stddef.h>
#include <sys/types.h>

/* Zero-initialise; each process is in it once. */
struct pid_set {
	pid_t *pids;
	size_t nr, capacity;
};

void pid_set__add(struct pid_set *set, pid_t pid);
void pid_set__clear(struct pid_set *set);

/* Adds every process of that name (the first 15 bytes of it, as /proc/PID/comm has), but this one.
 */
void select__by_comm(struct pid_set *set, const char *name);
/*
 * Adds every process of a control group and of those below it, but this one. path: a directory, or
 * the group's name as /proc/PID/cgroup shows it. 0; or -errno when there is no such group.
 */
int select__by_cgroup(struct pid_set *set, const char *path);
/* Adds the children of all there are in it, their children, and so on. */
void select__children(struct pid_set *set);

#endif /* SELECT_H */
