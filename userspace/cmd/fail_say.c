// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/fail_say.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/log.h"
#include "cmd/fail_drive.h"
#include "cmd/opts.h"

void fail_say__no_program(const char *name)
{
	struct stat st;
	const char *why = "it is not a program";

	if (!strchr(name, '/'))
		why = "there is no such program in PATH";
	else if (stat(name, &st))
		why = strerror(errno);
	else if (S_ISREG(st.st_mode))
		why = "it is not executable";
	log_err("%s cannot be run: %s.", name, why);
}

void fail_say__usual(const struct fail_setup *setup)
{
	const struct fail_outcome *usual = &setup->baseline.outcome;
	int status = (int)usual->status, client = (int)usual->client_status;

	if (setup->drive.client && usual->client_status != FAIL_NO_CLIENT && client)
		log_warn("The client of --drive fails without any failure of the server's, by exit "
			 "status %d.",
			 WIFEXITED(client) ? WEXITSTATUS(client) : 128 + WTERMSIG(client));
	if (WIFEXITED(status) && WEXITSTATUS(status))
		log_warn("%s has exit status %d without any failure. Other runs are compared with "
			 "that.",
			 setup->command[0], WEXITSTATUS(status));
	if (setup->baseline.output_varies)
		log_warn("What it prints differs from run to run, so nothing is said of that.");
	if (usual->sanitizer)
		log_warn("A sanitizer reports errors of undisturbed runs, too, so nothing is said "
			 "of its reports.");
	if (setup->live.incomplete)
		log_warn("Undisturbed runs have more live blocks at their ends than can be noted, "
			 "so leaks are not looked for.");
}

void fail_say__nothing(const struct fail_session *session)
{
	const struct options *options = session->options;
	bool chosen = options->sizes || options->only.nr || session->ignore;

	if (chosen)
		log_warn("No call failed: %s makes none that --size, --only and --ignore mean. A "
			 "function can be named only where its file exports it (a program's own: "
			 "-rdynamic).",
			 options->command[0]);
	else if (options->nth)
		log_warn("No call failed: %s makes fewer of them.", options->command[0]);
	else if (options->rate)
		log_warn("No call failed: %s makes few of them. Another --seed or a higher --rate "
			 "meets others.",
			 options->command[0]);
	else
		log_warn(
			"No call failed: %s allocates nothing, or by an allocator of its own, such "
			"as clang gives it with -fsanitize=address (it needs -shared-libasan, "
			"too).",
			options->command[0]);
}
