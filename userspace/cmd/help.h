/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tables of commands and options say, for people, for man and for bash. */
#ifndef HELP_H
#define HELP_H

#include <stddef.h>
#include <stdio.h>

#include "cmd/cmd.h"

/* What follows "heaptap NAME" in the ways to call a command; NULL ends the list. */
#define HELP_MAX_FORMS 4
extern const char *const help_forms[][HELP_MAX_FORMS];

/* One line of cmd->examples, in two parts. False at the end; *examples moves on. */
struct help_example {
	const char *command, *what;
	size_t command_length, what_length;
};
bool help__next_example(const char **examples, struct help_example *example);

void help__overview(FILE *out);
void help__command(FILE *out, const struct cmd *cmd);
void help__man(FILE *out);
void help__bash(FILE *out);

/* "There is no command 'laeks'. Did you mean ...", as an error. */
void help__blame_unknown(const char *name);

#endif /* HELP_H */
