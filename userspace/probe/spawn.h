/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting a command with more in its environment, and nothing else about it changed. */
#ifndef SPAWN_H
#define SPAWN_H

#include <sys/types.h>

/*
 * Runs command (searched in PATH) with the variables, strings NAME=VALUE and a NULL, which replace
 * what was there of these names. Returns its pid when exec has succeeded; -errno after a sentence.
 */
pid_t spawn__command(char **command, char *const *variables);

#endif /* SPAWN_H */
