// SPDX-License-Identifier: BSD-2-Clause
#include "source/jitmap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

#define MAX_STATUS (1u << 20)

void jitmap__init(struct jitmap *map)
{
	*map = (struct jitmap){ .fd = -1, .tmp = -1 };
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void jitmap__close(struct jitmap *map)
{
	close_if_open(map->fd);
	close_if_open(map->tmp);
	jitmap__init(map);
}

/* proc(5): NSpid ends with the number in the innermost namespace. */
static bool read_status(struct jitmap *map, pid_t pid)
{
	char path[64], *text;
	const char *uid, *nspid;
	unsigned real, effective;
	int number, used;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	text = file__read_all(path, MAX_STATUS, NULL);
	uid = text ? strstr(text, "\nUid:") : NULL;
	nspid = text ? strstr(text, "\nNSpid:") : NULL;
	ok = uid && sscanf(uid + 5, "%u %u", &real, &effective) == 2;
	if (ok) {
		map->real_uid = real;
		map->effective_uid = effective;
		map->inner_pid = pid;
		nspid = nspid ? nspid + 7 : "";
		/* Blanks only up to the end of the line: the next one begins with a word. */
		for (; sscanf(nspid, "%d%n", &number, &used) == 1; nspid += used)
			map->inner_pid = number;
	}
	free(text);
	return ok;
}

/* Neither link is followed: what they lead to is of the target's making. */
static int open_tmp(pid_t pid)
{
	char path[64];
	int root, tmp;

	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -1;
	tmp = openat(root, "tmp", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(root);
	return tmp;
}

void jitmap__note(struct jitmap *map, const struct target *target)
{
	struct pollfd end = { .fd = target->pidfd, .events = POLLIN };
	struct jitmap now = *map;

	now.known = read_status(&now, target->pid);
	now.tmp = open_tmp(target->pid);
	/* Once it has ended its number may be another's, and what was read as well. */
	if (!now.known || poll(&end, 1, 0) != 0) {
		close_if_open(now.tmp);
		return;
	}
	if (now.tmp < 0)
		now.tmp = map->tmp;
	else
		close_if_open(map->tmp);
	*map = now;
}

/* Why the file on fd must not be used; NULL: it may. */
static const char *objection(const struct jitmap *map, const struct target *target, int fd)
{
	struct stat status;
	uint64_t changed_ns;

	if (fstat(fd, &status))
		return "cannot be looked at";
	if (!S_ISREG(status.st_mode))
		return "is no regular file";
	if (status.st_uid && status.st_uid != map->real_uid && status.st_uid != map->effective_uid)
		return "belongs to another user";
	if (status.st_mode & (S_IWGRP | S_IWOTH))
		return "can be written to by others than its owner";
	changed_ns =
		(uint64_t)status.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)status.st_mtim.tv_nsec;
	/* An earlier process had the same number. Start times are in ticks. */
	if (changed_ns + NSEC_PER_SEC < target->started_ns)
		return "is older than the process";
	return NULL;
}

/* The map below directory; -1: there is none, or it must not be used, which is said once. */
static int open_map(struct jitmap *map, const struct target *target, int directory, pid_t pid)
{
	const char *reason;
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "perf-%d.map", pid);
	fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return -1;
	if (fd < 0)
		reason = errno == ELOOP ? "is a symbolic link" : "cannot be opened";
	else
		reason = objection(map, target, fd);
	if (!reason)
		return fd;
	if (!map->told)
		log_info("/tmp/%s is not used to name generated code: it %s.", name, reason);
	map->told = true;
	close_if_open(fd);
	return -1;
}

void jitmap__look(struct jitmap *map, const struct target *target)
{
	int directory, fd = -1;

	jitmap__note(map, target);
	if (!map->known)
		return;
	if (map->tmp >= 0)
		fd = open_map(map, target, map->tmp, map->inner_pid);
	if (fd < 0) {
		directory = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (directory >= 0)
			fd = open_map(map, target, directory, target->pid);
		close_if_open(directory);
	}
	if (fd < 0)
		return;
	close_if_open(map->fd);
	map->fd = fd;
}
