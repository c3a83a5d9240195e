// SPDX-License-Identifier: BSD-2-Clause
/*
 * openat2 with RESOLVE_IN_ROOT would do, but old kernels lack it and containers forbid it; and a
 * recording is read on any machine.
 */
#include "symbol/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

#define MAX_LINKS 40 /* as the kernel */
#define MAX_DEPTH 128

struct walk {
	int folders[MAX_DEPTH]; /* from the root to where we are */
	unsigned depth;		/* of them, the root not counted */
	unsigned nr_links;
	char *pending; /* what of the path is still to be walked */
	size_t at;     /* in pending */
	int file;      /* what was found; -1: not yet */
};

/* Reopens what fd, opened by O_PATH, stands for. */
static int open_regular(int fd)
{
	char path[64];
	struct stat status;
	int opened;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENOEXEC;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = open(path, O_RDONLY | O_CLOEXEC);
	return opened < 0 ? -errno : opened;
}

static void go_up(struct walk *walk, unsigned depth)
{
	while (walk->depth > depth)
		close(walk->folders[walk->depth--]);
}

/* Puts the target of a link in front of what is pending. */
static int follow(struct walk *walk, int link)
{
	char target[PATH_MAX], *pending;
	ssize_t len = readlinkat(link, "", target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	if (!len || ++walk->nr_links > MAX_LINKS)
		return len ? -ELOOP : -ENOENT;
	target[len] = '\0';
	if (target[0] == '/')
		go_up(walk, 0);
	if ((size_t)len + strlen(walk->pending + walk->at) > 2 * PATH_MAX)
		return -ENAMETOOLONG;
	pending = xasprintf("%s/%s", target, walk->pending + walk->at);
	free(walk->pending);
	walk->pending = pending;
	walk->at = 0;
	return 0;
}

/* Goes on to name; takes a folder or the file over. */
static int enter(struct walk *walk, const char *name)
{
	int fd = openat(walk->folders[walk->depth], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status)) {
		err = -errno;
	} else if (S_ISLNK(status.st_mode)) {
		err = follow(walk, fd);
	} else if (!S_ISDIR(status.st_mode)) {
		walk->file = fd;
		return 0;
	} else if (walk->depth + 1 == MAX_DEPTH) {
		err = -ENAMETOOLONG;
	} else {
		walk->folders[++walk->depth] = fd;
		return 0;
	}
	close(fd);
	return err;
}

/* One part of the path. 1: there was none left. */
static int step(struct walk *walk)
{
	const char *start = walk->pending + walk->at;
	size_t len;
	char *name;
	int err;

	start += strspn(start, "/");
	len = strcspn(start, "/");
	walk->at = (size_t)(start + len - walk->pending);
	if (!len)
		return 1;
	if (walk->file >= 0)
		return -ENOTDIR;
	if (len == 1 && start[0] == '.')
		return 0;
	if (len == 2 && start[0] == '.' && start[1] == '.') {
		go_up(walk, walk->depth ? walk->depth - 1 : 0);
		return 0;
	}
	name = xstrndup(start, len);
	err = enter(walk, name);
	free(name);
	return err;
}

static int open_below(const char *root, const char *path)
{
	struct walk walk = { .pending = xstrdup(path), .file = -1 };
	int err = 0;

	walk.folders[0] = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (walk.folders[0] < 0)
		err = -errno;
	while (!err)
		err = step(&walk);
	if (err == 1)
		err = open_regular(walk.file >= 0 ? walk.file : walk.folders[walk.depth]);
	if (walk.file >= 0)
		close(walk.file);
	go_up(&walk, 0);
	if (walk.folders[0] >= 0)
		close(walk.folders[0]);
	free(walk.pending);
	return err;
}

int rootfs__open(const char *root, const char *path)
{
	int fd, opened;

	if (root)
		return open_below(root, path);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	opened = open_regular(fd);
	close(fd);
	return opened;
}
