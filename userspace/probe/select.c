// SPDX-License-Identifier: BSD-2-Clause
#include "probe/select.h"

#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

#define COMM_BYTES    15 /* TASK_COMM_LEN of include/linux/sched.h, without the NUL */
#define MAX_PROC_FILE (1u << 20)
#define CGROUP_MOUNT  "/sys/fs/cgroup"

void pid_set__add(struct pid_set *set, pid_t pid)
{
	for (size_t i = 0; i < set->nr; i++)
		if (set->pids[i] == pid)
			return;
	set->pids = array__grow(set->pids, set->nr, &set->capacity, sizeof(*set->pids));
	set->pids[set->nr++] = pid;
}

void pid_set__clear(struct pid_set *set)
{
	free(set->pids);
	*set = (struct pid_set){ 0 };
}

/* What /proc/PID/stat says that matters here. */
struct process_line {
	pid_t pid, parent;
	char comm[64];
	bool has_memory; /* no kernel thread, no zombie */
};

/* proc(5): the command in parentheses may hold anything, so it ends with the last ')'. */
static bool read_line(pid_t pid, struct process_line *line)
{
	char path[64], *text, *begin, *end, state;
	unsigned long bytes;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	text = file__read_all(path, MAX_PROC_FILE, NULL);
	begin = text ? strchr(text, '(') : NULL;
	end = text ? strrchr(text, ')') : NULL;
	ok = begin && end &&
	     sscanf(end + 1,
		    " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		    "%*u %lu",
		    &state, &line->parent, &bytes) == 3;
	if (ok) {
		line->pid = pid;
		line->has_memory = bytes > 0;
		snprintf(line->comm, sizeof(line->comm), "%.*s", (int)(end - begin - 1), begin + 1);
	}
	free(text);
	return ok;
}

static void for_each_process(void (*visit)(const struct process_line *line, void *data), void *data)
{
	DIR *proc = opendir("/proc");
	struct process_line line;
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != getpid() && read_line(pid, &line) && line.has_memory)
			visit(&line, data);
	}
	if (proc)
		closedir(proc);
}

struct by_comm {
	struct pid_set *set;
	const char *name;
};

static void add_named(const struct process_line *line, void *data)
{
	const struct by_comm *by = data;

	if (!strncmp(line->comm, by->name, COMM_BYTES))
		pid_set__add(by->set, line->pid);
}

void select__by_comm(struct pid_set *set, const char *name)
{
	struct by_comm by = { set, name };

	for_each_process(add_named, &by);
}

static void add_child(const struct process_line *line, void *data)
{
	struct pid_set *set = data;

	for (size_t i = 0; i < set->nr; i++) {
		if (set->pids[i] == line->parent) {
			pid_set__add(set, line->pid);
			return;
		}
	}
}

void select__children(struct pid_set *set)
{
	size_t before;

	do {
		before = set->nr;
		for_each_process(add_child, set);
	} while (set->nr > before);
}

/* Adds what is in directory/cgroup.procs. False: there is no such file. */
static bool add_members(struct pid_set *set, const char *directory)
{
	char path[PATH_MAX], *text, *at, *end;
	struct process_line line;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	text = file__read_all(path, MAX_PROC_FILE, NULL);
	if (!text)
		return false;
	for (at = text; *at; at = end) {
		pid_t pid = (pid_t)strtol(at, &end, 10);

		if (end == at)
			break;
		if (pid > 0 && pid != getpid() && read_line(pid, &line) && line.has_memory)
			pid_set__add(set, pid);
	}
	free(text);
	return true;
}

static bool add_group(struct pid_set *set, char *directory)
{
	char *roots[] = { directory, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	bool found = false;
	FTSENT *entry;

	while (tree && (entry = fts_read(tree)))
		if (entry->fts_info == FTS_D)
			found |= add_members(set, entry->fts_path);
	if (tree)
		fts_close(tree);
	return found;
}

int select__by_cgroup(struct pid_set *set, const char *path)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", path);
	if (path[0] == '/' && add_group(set, directory))
		return 0;
	snprintf(directory, sizeof(directory), CGROUP_MOUNT "/%s", path + strspn(path, "/"));
	return add_group(set, directory) ? 0 : -ENOENT;
}
