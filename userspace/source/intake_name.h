/* SPDX-License-Identifier: BSD-2-Clause */
/* What a received recording is called: by the process it is about, as far as a stranger's word for
 * that can be used for a file's name. */
#ifndef INTAKE_NAME_H
#define INTAKE_NAME_H

#include <stdbool.h>
#include <stdint.h>

struct wire_target;

#define INTAKE_NAME_MAX 100

struct intake_target {
	char name[INTAKE_NAME_MAX + 1]; /* fit for a file; "": not known */
	uint32_t pid;
};

/* record's lengths have been checked. */
void intake_target__set(struct intake_target *target, const struct wire_target *record);
/* Looks for it at the beginning of the recording in fd. */
void intake_target__find(struct intake_target *target, int fd);
/*
 * Renames a file in a folder to NAME.PID.htap, NAME.PID.2.htap, …, or receive.1.htap, …: the first
 * that there is not. Returns the name it has now, for the caller to free: the old one if it must
 * stay.
 */
char *intake_target__rename(const struct intake_target *target, int folder, const char *from);

#endif /* INTAKE_NAME_H */
