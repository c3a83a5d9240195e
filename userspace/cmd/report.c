// SPDX-License-Identifier: BSD-2-Clause
#include <stddef.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/old_names.h"
#include "cmd/view_run.h"

static int run_report(const struct options *options)
{
	const struct view *view = options->view ? view__find(options->view) : views[0];
	struct options completed = *options;

	if (view && options->format && view->with_format) {
		old_names__apply(&completed);
		return view_run(&completed, view->with_format);
	}
	if (view)
		return view_run(options, view);
	log_err("There is no view '%s'. They are listed by: heaptap help report", options->view);
	return EXIT_USAGE;
}

const struct cmd cmd_report = {
	.name = "report",
	.bit = CMD_REPORT,
	.operands = CMD_OPERANDS_TARGET_OR_FILES,
	.summary = "Show a recording, or a program, in one of many ways.",
	.about =
		"Reads a recording (FILE; - is standard input), or watches a running process (-p "
		"PID) until Ctrl-C, or a command until its end (-- COMMAND), and shows what --view "
		"says. The name of a view is a command, too: `heaptap peak FILE` is `heaptap "
		"report --view peak FILE`.",
	.list = { "Views", views, &nr_views },
	.examples = "heaptap report --view sites app.htap      what each call site allocated\n"
		    "heaptap peak --top 10 app.htap            the ten largest at the peak\n"
		    "heaptap leaks --at 90 app.htap            what was live after 90 seconds\n"
		    "heaptap orphans -p 1234 --age 10m         what is not freed in ten minutes\n"
		    "heaptap report --between 60 120 app.htap  allocated then, and still live",
	.run = run_report,
};
