// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/cmd.h"

#include <string.h>

#include "base/util.h"

const struct cmd *const cmds[] = { &cmd_leaks,	&cmd_report,  &cmd_export, &cmd_stacks,
				   &cmd_record, &cmd_receive, &cmd_pair,   &cmd_symbolize,
				   &cmd_fail,	&cmd_doctor,  &cmd_help };
const size_t nr_cmds = ARRAY_SIZE(cmds);

const struct cmd *cmd__find(const char *name)
{
	for (size_t i = 0; i < nr_cmds; i++)
		if (!strcmp(cmds[i]->name, name))
			return cmds[i];
	return NULL;
}
