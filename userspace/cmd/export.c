// SPDX-License-Identifier: BSD-2-Clause
#include <stddef.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/view_run.h"

static int run_export(const struct options *options)
{
	const struct view *exporter = options->format ? exporter__find(options->format) : NULL;

	if (exporter)
		return view_run(options, exporter);
	if (options->format)
		log_err("There is no format '%s'. They are listed by: heaptap help export",
			options->format);
	else
		log_err("heaptap export wants to know the format: --format (-f). They are listed "
			"by: heaptap help export");
	return EXIT_USAGE;
}

const struct cmd cmd_export = {
	.name = "export",
	.bit = CMD_EXPORT,
	.operands = CMD_OPERANDS_TARGET_OR_FILE,
	.summary = "Write a recording in the format of another tool.",
	.about = "Reads a recording (FILE; - is standard input), or watches as `heaptap report` "
		 "does, and writes what other tools read.",
	.list = { "Formats", exporters, &nr_exporters },
	.examples = "heaptap export app.htap -f folded | flamegraph.pl >app.svg\n"
		    "heaptap export app.htap -f folded --cost peak",
	.run = run_export,
};
