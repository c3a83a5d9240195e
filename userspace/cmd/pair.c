// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/output.h"
#include "cmd/cmd.h"
#include "cmd/pairing.h"

static void tell(const struct pairing_counts *counts)
{
	log_warn("%" PRIu64 " of %" PRIu64
		 " rows are left; frees of what no row allocated: %" PRIu64
		 "; rows that are malformed, and left out: %" PRIu64 ".",
		 counts->kept, counts->rows, counts->unmatched, counts->malformed);
	if (counts->inherited)
		log_warn("Children have inherited blocks by forks, and not freed %" PRIu64
			 " of them.",
			 counts->inherited);
	if (counts->forks_ignored)
		log_warn("%" PRIu64 " forks are of more than can be copied: what these children "
			 "inherited is not among the rows.",
			 counts->forks_ignored);
}

static int pair(int fd, const char *name, const char *path)
{
	struct output *output = output__open(path);
	struct pairing_counts counts;
	int err;

	if (!output)
		return EXIT_CANNOT;
	err = pairing__run(fd, output__stream(output), &counts);
	if (err) {
		log_err("%s cannot be read: %s.", name, strerror(-err));
		output__abandon(output);
		return EXIT_CANNOT;
	}
	if (output__commit(output))
		return EXIT_CANNOT;
	tell(&counts);
	return EXIT_DONE;
}

static int run_pair(const struct options *options)
{
	bool from_stdin = options->input && !strcmp(options->input, "-");
	int fd, status;

	if (!options->input || !options->output) {
		log_err("heaptap pair wants to know what to read and where to write, as in: "
			"heaptap "
			"pair -i rows.csv -o left.csv");
		return EXIT_USAGE;
	}
	fd = from_stdin ? STDIN_FILENO : open(options->input, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		log_err("%s cannot be opened: %s.", options->input, strerror(errno));
		return EXIT_CANNOT;
	}
	status = pair(fd, from_stdin ? "Standard input" : options->input, options->output);
	if (!from_stdin)
		close(fd);
	return status;
}

const struct cmd cmd_pair = {
	.name = "pair",
	.bit = CMD_PAIR,
	.operands = CMD_OPERANDS_NONE,
	.summary = "Take from a file of rows what was freed after all.",
	.about = "Reads rows that `heaptap export -f csv`, `heaptap orphans --format`, or "
		 "malloc-trace wrote, and writes the allocations that no later row frees, in their "
		 "order and as they were. What a child has inherited by a fork and not freed comes "
		 "under its own pid as well. Of frees without an allocation nothing is left. "
		 "Rotated "
		 "files go one behind the other, the oldest first.",
	.examples = "heaptap pair -i rows.csv -o left.csv\n"
		    "cat rows.csv.1 rows.csv | heaptap pair -i - -o -",
	.run = run_pair,
};
