// SPDX-License-Identifier: BSD-2-Clause
#include "export/process_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/text.h"
#include "base/util.h"
#include "report/process.h"
#include "wire.h"

/* Characters of a command line at most: with the rest it should fit a wide terminal. */
#define MAX_COMMAND 80

static unsigned count_characters(const char *text)
{
	unsigned nr = 0;

	for (; *text; nr++)
		text += max(text__character(text), (size_t)1);
	return nr;
}

/* A copy of a command line with at most MAX_COMMAND characters, control characters replaced. */
static char *short_command(const struct process *process)
{
	const char *whole = process->cmdline && *process->cmdline ? process->cmdline
			    : process->exe			  ? process->exe
								  : "(unknown)";
	char *command = xstrdup(whole), *shortened;
	size_t at = 0;

	text__strip_controls(command);
	if (count_characters(command) <= MAX_COMMAND)
		return command;
	for (unsigned i = 0; i < MAX_COMMAND - 3; i++)
		at += text__character(command + at);
	command[at] = '\0';
	shortened = xasprintf("%s...", command);
	free(command);
	return shortened;
}

static char *describe_end(const struct process *process)
{
	int status = (int)process->end_status;

	if (process->end_reason != WIRE_END_EXITED)
		return xstrdup("");
	if (WIFSIGNALED(status))
		return xasprintf("killed by signal %d", WTERMSIG(status));
	/* Nobody knows it of a process that heaptap has nothing to do with. */
	if (!status && !process->launched && !process->parent)
		return xstrdup("exited");
	return xasprintf("exited with status %d", WEXITSTATUS(status));
}

unsigned process_text__write(const struct process *process, FILE *out)
{
	char *command = short_command(process), *end = describe_end(process), *text;
	char *begin = process->parent	  ? xasprintf("forked by %" PRIu32, process->parent)
		      : process->launched ? xstrdup("launched")
					  : xstrdup("");
	unsigned width;

	text = xasprintf("Process %" PRIu32 ": %s%s%s%s%s%s", process->pid, command,
			 *begin || *end ? " (" : "", begin, *begin && *end ? ", " : "", end,
			 *begin || *end ? ")" : "");
	fputs(text, out);
	width = count_characters(text);
	free(text);
	free(begin);
	free(end);
	free(command);
	return width;
}

void process_text__heading(const struct process *process, FILE *out)
{
	unsigned width = process_text__write(process, out);

	fputc('\n', out);
	while (width--)
		fputc('=', out);
	fputs("\n\n", out);
}
