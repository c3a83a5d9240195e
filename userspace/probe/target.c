// SPDX-License-Identifier: BSD-2-Clause
#include "probe/target.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "probe/trial.h"

/* PF_KTHREAD of include/linux/sched.h, shown in field 9 of /proc/PID/stat. */
#define KTHREAD_FLAG  0x00200000u
#define MAX_PROC_FILE (64u << 20)

struct proc_stat {
	char state;
	unsigned flags;
	uint64_t start_ticks; /* since boot */
};

static char *read_proc(pid_t pid, const char *file, size_t *len)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return file__read_all(path, MAX_PROC_FILE, len);
}

/* proc(5): the command in parentheses may hold anything, so fields count from the last ')'. */
static int read_stat(pid_t pid, struct proc_stat *stat)
{
	char *text = read_proc(pid, "stat", NULL), *at;
	int err = 0;

	if (!text)
		return -ESRCH;
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1,
			  " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
			  "%*d %" SCNu64,
			  &stat->state, &stat->flags, &stat->start_ticks) != 3)
		err = -EINVAL;
	free(text);
	return err;
}

static uint64_t start_time_ns(uint64_t start_ticks)
{
	uint64_t since_boot_ns =
		start_ticks * (NSEC_PER_SEC / (uint64_t)max(sysconf(_SC_CLK_TCK), 1l));
	struct timespec boot;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	return clock__realtime_ns() -
	       ((uint64_t)boot.tv_sec * NSEC_PER_SEC + (uint64_t)boot.tv_nsec) + since_boot_ns;
}

/* The last number of a line of /proc/PID/status; missing: there is none. */
static long status_number(const char *status, const char *name, long missing)
{
	const char *at = strstr(status, name), *end;

	if (!at)
		return missing;
	at += strlen(name);
	end = at + strcspn(at, "\n");
	while (end > at && end[-1] >= '0' && end[-1] <= '9')
		end--;
	return strtol(end, NULL, 10);
}

int target__condition(pid_t pid, struct target_condition *condition)
{
	char *text = read_proc(pid, "status", NULL);
	const char *state = text ? strstr(text, "\nState:\t") : NULL;

	if (!state) {
		free(text);
		return -ESRCH;
	}
	*condition = (struct target_condition){
		.state = state[8],
		.tracer = (pid_t)status_number(text, "\nTracerPid:", 0),
		.inner_pid = (pid_t)status_number(text, "\nNSpid:", pid),
		.seccomp = (int)status_number(text, "\nSeccomp:", 0),
	};
	free(text);
	return 0;
}

/* A thread that is not its process's leader has no process of that number. */
static bool is_thread_of_another(pid_t pid)
{
	char *text = read_proc(pid, "status", NULL);
	long tgid = text ? status_number(text, "\nTgid:", pid) : pid;

	free(text);
	return tgid != pid;
}

/* The process that has this number in a pid namespace below ours; 0: none, or several. */
static pid_t find_by_inner_pid(pid_t inner_pid)
{
	struct target_condition condition;
	struct dirent *entry;
	pid_t pid, found = 0;
	unsigned nr_found = 0;
	DIR *proc = opendir("/proc");

	while (proc && (entry = readdir(proc))) {
		pid = (pid_t)atoi(entry->d_name);
		if (pid > 0 && !target__condition(pid, &condition) &&
		    condition.inner_pid == inner_pid) {
			found = pid;
			nr_found++;
		}
	}
	if (proc)
		closedir(proc);
	return nr_found == 1 ? found : 0;
}

static void tell_missing(pid_t pid)
{
	pid_t outer = find_by_inner_pid(pid);

	if (outer)
		log_err("There is no process %d here. Process %d has that number in a pid "
			"namespace of its own (a container); -p takes the number it has here: %d.",
			pid, outer, outer);
	else
		log_err("There is no process %d. `ps -e` lists those there are.", pid);
}

/* Is the executable made for this heaptap's own machine? */
static int check_executable(pid_t pid)
{
	unsigned char ident[EI_NIDENT];
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = pread(fd, ident, sizeof(ident), 0);
	close(fd);
	if (got == sizeof(ident) && !memcmp(ident, ELFMAG, SELFMAG) &&
	    ident[EI_CLASS] != ELFCLASS64) {
		log_err("Process %d is a 32-bit program, which heaptap cannot watch from outside. "
			"Build it for 64 bits to watch it.",
			pid);
		return -ENOEXEC;
	}
	return 0;
}

static int check_state(pid_t pid, struct proc_stat *stat)
{
	if (read_stat(pid, stat)) {
		tell_missing(pid);
		return -ESRCH;
	}
	if (stat->flags & KTHREAD_FLAG) {
		log_err("Process %d is a kernel thread: it has no heap to watch.", pid);
		return -EINVAL;
	}
	if (stat->state == 'Z' || stat->state == 'X') {
		log_err("Process %d has ended already (its parent has not collected it).", pid);
		return -ESRCH;
	}
	if (is_thread_of_another(pid)) {
		log_err("%d is a thread, not a process. Give the process's number (Tgid in "
			"/proc/%d/status).",
			pid, pid);
		return -EINVAL;
	}
	return 0;
}

/* Some kernels kill a process under seccomp when a return probe is hit. */
static int check_sandbox(pid_t pid)
{
	struct target_condition condition;

	if (target__condition(pid, &condition) || !condition.seccomp || trial__spares_sandboxes())
		return 0;
	log_err("Process %d is under seccomp, and this kernel would kill it at the first probe. "
		"Linux before 6.11 and from 6.14 on does not.",
		pid);
	return -ENOTSUP;
}

/* Why the executable of a process cannot be read. */
static void tell_unreadable(pid_t pid, int err)
{
	if (err == -ENOENT || err == -ESRCH)
		log_err("Process %d has just ended.", pid);
	else if (err != -EACCES && err != -EPERM)
		log_err("The executable of process %d cannot be read: %s.", pid, strerror(-err));
	else if (!target__check_privileges())
		log_err("The kernel does not let heaptap look into process %d. In a user namespace "
			"or a container, run heaptap outside of it.",
			pid);
}

bool target__lives(pid_t pid)
{
	struct proc_stat stat;

	return !read_stat(pid, &stat) && stat.state != 'Z' && stat.state != 'X';
}

int target__open(pid_t pid, struct target *target)
{
	struct proc_stat stat;
	char link[64], exe[PATH_MAX];
	ssize_t len;
	int err;

	*target = (struct target){ .pid = pid, .pidfd = -1 };
	err = check_state(pid, &stat);
	if (err)
		return err;
	target->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (target->pidfd < 0) {
		err = -errno;
		log_err("Process %d cannot be followed to its end: %s.", pid, strerror(-err));
		return err;
	}
	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	len = readlink(link, exe, sizeof(exe) - 1);
	err = len < 0 ? -errno : check_executable(pid);
	if (err && err != -ENOEXEC)
		tell_unreadable(pid, err);
	if (!err)
		err = check_sandbox(pid);
	if (err) {
		target__close(target);
		return err;
	}
	target->exe = xstrndup(exe, (size_t)len);
	target->cmdline = read_proc(pid, "cmdline", &target->cmdline_len);
	if (!target->cmdline)
		target->cmdline_len = 0;
	target->started_ns = start_time_ns(stat.start_ticks);
	return 0;
}

#define SIGTTOU_BIT (1ull << (SIGTTOU - 1))

bool target__has_shell(const struct target *target)
{
	char *text = read_proc(target->pid, "stat", NULL), *at;
	int parent = 0, terminal = 0;
	bool ignores = false;

	/* proc(5): state, ppid, pgrp, session, tty_nr. */
	at = text ? strrchr(text, ')') : NULL;
	if (!at || sscanf(at + 1, " %*c %d %*d %*d %d", &parent, &terminal) != 2 || !terminal ||
	    parent == getpid())
		parent = 0;
	free(text);
	text = parent ? read_proc(parent, "status", NULL) : NULL;
	at = text ? strstr(text, "\nSigIgn:") : NULL;
	if (at)
		ignores = strtoull(at + 8, NULL, 16) & SIGTTOU_BIT;
	free(text);
	return ignores;
}

void target__close(struct target *target)
{
	if (target->pidfd >= 0)
		close(target->pidfd);
	free(target->exe);
	free(target->cmdline);
	*target = (struct target){ .pidfd = -1 };
}

int target__for_each_mapping(pid_t pid,
			     int (*visit)(const struct target_mapping *mapping, void *data),
			     void *data)
{
	char *text = read_proc(pid, "maps", NULL), *line, *next;
	int result = 0;

	if (!text)
		return -ESRCH;
	for (line = text; !result && *line; line = next) {
		struct target_mapping mapping;
		char perms[5];
		int path_at = 0;

		next = strchr(line, '\n');
		if (!next)
			break;
		*next++ = '\0';
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n",
			   &mapping.start, &mapping.end, perms, &mapping.offset, &path_at) != 4 ||
		    !path_at || perms[2] != 'x')
			continue;
		mapping.path = line + path_at;
		result = visit(&mapping, data);
	}
	free(text);
	return result;
}

static int open_regular(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOEXEC;
	}
	return fd;
}

int target__open_mapped(pid_t pid, uint64_t start, uint64_t end, const char *path, char *buffer,
			size_t size)
{
	int fd;

	snprintf(buffer, size, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, start, end);
	fd = open_regular(buffer);
	if (fd >= 0 || path[0] != '/')
		return fd;
	snprintf(buffer, size, "/proc/%d/root%s", pid, path);
	fd = open_regular(buffer);
	if (fd >= 0)
		return fd;
	/* The process may be gone already: its files rarely are. */
	snprintf(buffer, size, "%s", path);
	return open_regular(buffer);
}

int target__missing_capabilities(char missing[TARGET_MISSING_CAPABILITIES])
{
	static const struct {
		int bit;
		const char *name;
	} needed[] = {
		{ CAP_BPF, "CAP_BPF" },
		{ CAP_PERFMON, "CAP_PERFMON" },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE" },
		{ CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE" },
	};
	char *text = file__read_all("/proc/self/status", MAX_PROC_FILE, NULL);
	const char *at = text ? strstr(text, "\nCapEff:") : NULL;
	uint64_t effective = at ? strtoull(at + 8, NULL, 16) : 0;

	free(text);
	missing[0] = '\0';
	if (effective & 1ull << CAP_SYS_ADMIN)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (effective & 1ull << needed[i].bit)
			continue;
		if (missing[0])
			strcat(missing, ", ");
		strcat(missing, needed[i].name);
	}
	return missing[0] ? -EPERM : 0;
}

int target__check_privileges(void)
{
	char missing[TARGET_MISSING_CAPABILITIES];
	int err = target__missing_capabilities(missing);

	if (err)
		log_err("Watching a process needs root, or the capabilities CAP_BPF, CAP_PERFMON, "
			"CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE; missing: %s. Try again with "
			"sudo.",
			missing);
	return err;
}
