// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/targets.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

bool targets__named(const struct options *options)
{
	return options->nr_pids || options->comm || options->cgroup;
}

int targets__find(const struct options *options, struct pid_set *set)
{
	size_t before;

	for (size_t i = 0; i < options->nr_pids; i++)
		pid_set__add(set, (pid_t)options->pids[i]);
	before = set->nr;
	if (options->comm)
		select__by_comm(set, options->comm);
	if (options->comm && set->nr == before) {
		log_err("No running process is called '%s'. `ps -eo pid,comm` lists their names.",
			options->comm);
		return -ESRCH;
	}
	before = set->nr;
	if (options->cgroup && select__by_cgroup(set, options->cgroup)) {
		log_err("There is no control group '%s'. /proc/PID/cgroup has that of a process.",
			options->cgroup);
		return -ENOENT;
	}
	if (options->cgroup && set->nr == before && !options->nr_pids && !options->comm) {
		log_err("There is no process in the control group '%s'.", options->cgroup);
		return -ESRCH;
	}
	if (options->children)
		select__children(set);
	return 0;
}
