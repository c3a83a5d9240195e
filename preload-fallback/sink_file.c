// SPDX-License-Identifier: BSD-2-Clause
/*
 * The sink that is a file. Processes of one run share its name, so that what was recorded is never
 * overwritten: only the first may truncate PATH; all others, told apart by a %p in the name, create
 * files that were not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder.h"
#include "os.h"
#include "sink.h"

/* Processes with one pid, and images of one process, that a run may have. */
#define MAX_NUMBER 10000u

static struct {
	int fd; /* 0: none */
	bool regular;
	uint64_t offset;
	struct sink_identity identity;
	char path[CONFIG_MAX_PATH + 32]; /* "": not chosen yet */
} file;

static const char *name(void)
{
	return file.path[0] ? file.path : recorder.config.file;
}

static int prepare(void)
{
	return 0;
}

static int check_file(int fd, bool fresh)
{
	struct stat stat;

	if (fstat(fd, &stat))
		return -errno;
	file.regular = S_ISREG(stat.st_mode);
	/* A pipe raises signals, a terminal is for people. */
	if (!file.regular && (!S_ISCHR(stat.st_mode) || isatty(fd)))
		return -ENXIO;
	/* Somebody else's, or a second name of something: not ours to overwrite. */
	if (file.regular && !fresh && (stat.st_uid != geteuid() || stat.st_nlink > 1))
		return -EPERM;
	if (file.regular && !fresh && ftruncate(fd, 0))
		return -errno;
	return 0;
}

static int take_fd(int fd, bool fresh)
{
	int err = check_file(fd, fresh);

	if (err) {
		close(fd);
		return err;
	}
	fd = sink__move_away(fd);
	if (fd < 0)
		return fd;
	file.fd = fd;
	file.offset = 0;
	file.identity = sink__identity(fd);
	return 0;
}

static int open_path(const char *path, int flags)
{
	int fd = open(path,
		      O_WRONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | flags,
		      0600);

	return fd < 0 ? -errno : fd;
}

static int open_first(void)
{
	int fd;

	if (!config__expand(file.path, sizeof(file.path), recorder.config.file, recorder.pid))
		return -ENAMETOOLONG;
	fd = open_path(file.path, 0);
	return fd < 0 ? fd : take_fd(fd, false);
}

/* PATH.PID, or PATH.PID.2 where there is one, and so on. */
static int open_another(void)
{
	char base[sizeof(file.path)], *end;
	int fd;

	if (!config__expand(base, sizeof(base) - 24, recorder.config.file, recorder.pid))
		return -ENAMETOOLONG;
	end = base + strlen(base);
	for (uint32_t number = 1; number <= MAX_NUMBER; number++) {
		if (number > 1) {
			*end = '.';
			os__decimal(end + 1, number);
		}
		fd = open_path(base, O_EXCL);
		if (fd != -EEXIST) {
			memcpy(file.path, base, sizeof(base));
			return fd < 0 ? fd : take_fd(fd, true);
		}
	}
	return -EEXIST;
}

/* The program has closed it: the same file, nothing else. */
static int open_again(void)
{
	int fd = open(file.path, O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!sink__is_still(fd, &file.identity)) {
		close(fd);
		return -ENOENT;
	}
	fd = sink__move_away(fd);
	if (fd < 0)
		return fd;
	file.fd = fd;
	return 0;
}

static int file_open(void)
{
	if (file.fd)
		return 0;
	return strstr(recorder.config.file, "%p") ? open_another() : open_first();
}

/* Bytes that may be written before the process is sent SIGXFSZ. */
static uint64_t allowed(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur > file.offset ? limit.rlim_cur - file.offset : 0;
}

static ssize_t file_send(const void *data, size_t len)
{
	uint64_t room = file.regular ? allowed() : UINT64_MAX;
	ssize_t done;
	int err;

	if (!sink__is_still(file.fd, &file.identity)) {
		err = open_again();
		if (err)
			return err;
	}
	if (!room)
		return -EFBIG;
	do {
		size_t now = len < room ? len : (size_t)room;

		done = file.regular ? pwrite(file.fd, data, now, (off_t)file.offset)
				    : write(file.fd, data, now);
	} while (done < 0 && errno == EINTR);
	if (done < 0)
		return -errno;
	if (!done)
		return -ENOSPC;
	file.offset += (uint64_t)done;
	return done;
}

static bool take_back(uint64_t nr_bytes)
{
	if (!file.regular || nr_bytes > file.offset || !sink__is_still(file.fd, &file.identity) ||
	    ftruncate(file.fd, (off_t)(file.offset - nr_bytes)))
		return false;
	file.offset -= nr_bytes;
	return true;
}

static void file_close(void)
{
	if (file.fd && sink__is_still(file.fd, &file.identity))
		close(file.fd);
	file.fd = 0;
}

static void forked(void)
{
	size_t len = strlen(recorder.config.file);

	file_close();
	file.path[0] = '\0';
	if (!strstr(recorder.config.file, "%p") && len + 4 < sizeof(recorder.config.file))
		memcpy(recorder.config.file + len, ".%p", 4);
}

const struct sink sink_file = {
	.prepare = prepare,
	.open = file_open,
	.send = file_send,
	.take_back = take_back,
	.close = file_close,
	.forked = forked,
	.name = name,
	.keeps_place = true,
};
