/* SPDX-License-Identifier: BSD-2-Clause */
/* A subcommand: one file, one `const struct cmd`, one line in the table of cmd.c. */
#ifndef CMD_H
#define CMD_H

#include <stddef.h>

#include "cmd/opts.h"

enum {
	EXIT_DONE = 0,
	EXIT_CANNOT = 1, /* could not do it */
	EXIT_USAGE = 2,	 /* asked wrongly */
};

/* What may follow the options. */
enum cmd_operands {
	CMD_OPERANDS_NONE,
	CMD_OPERANDS_TARGET,	      /* -p PID, or -- COMMAND [ARG...] */
	CMD_OPERANDS_TARGET_OR_FILE,  /* likewise, or one FILE */
	CMD_OPERANDS_TARGET_OR_FILES, /* or one FILE, or two, and 0xADDRESS */
	CMD_OPERANDS_WORD,	      /* one optional word */
	CMD_OPERANDS_ADDRESS,	      /* [HOST]:PORT */
	CMD_OPERANDS_FILE,	      /* one FILE, a recording */
	CMD_OPERANDS_COMMAND,	      /* -p PID, -- COMMAND [ARG...], or neither */
};

struct view;

/* What a command can be told to do, for its help. */
struct cmd_list {
	const char *title; /* NULL: there is none */
	const struct view *const *all;
	const size_t *nr;
};

struct cmd {
	const char *name;
	enum opt_cmd bit; /* its bit in opt.cmds */
	enum cmd_operands operands;
	const char *summary; /* one line, for lists */
	const char *about; /* a line a paragraph, for help and man; a blank in front keeps a line */
	struct cmd_list list;
	const char *examples;			   /* lines "command   what it does" */
	int (*run)(const struct options *options); /* returns the exit status */
};

extern const struct cmd cmd_leaks, cmd_stacks, cmd_record, cmd_doctor, cmd_help, cmd_report,
	cmd_export, cmd_receive, cmd_symbolize, cmd_pair, cmd_fail;

/* All of them, in the order of the help. */
extern const struct cmd *const cmds[];
extern const size_t nr_cmds;
const struct cmd *cmd__find(const char *name); /* NULL: unknown */

#endif /* CMD_H */
