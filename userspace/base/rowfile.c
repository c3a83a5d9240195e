// SPDX-License-Identifier: BSD-2-Clause
#include "base/rowfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/output.h"
#include "base/util.h"

#define BUFFER_BYTES (256u << 10)

struct rowfile {
	char *path; /* NULL: standard output */
	char *header;
	struct rowfile_options options;
	int fd;		/* -1: to be opened again */
	bool regular;	/* it is a file with that name, which is looked after */
	bool has_size;	/* of a descriptor: what was written can be taken back */
	uint64_t bytes; /* in the file, by what is known */
	int err;	/* stays */

	char *buffer;
	size_t used, capacity;
	size_t *ends; /* of each row in the buffer */
	size_t nr_rows, ends_capacity;

	uint64_t nr_lost; /* rows */
	int lost_err;	  /* why the newest of them are */
	bool losing, warned_rotation;
};

static const char *shown(const struct rowfile *file)
{
	return file->path ? file->path : "Standard output";
}

/* Opens what the path names, or creates it. No link is followed, and no FIFO waited for. */
static int open_regular(const char *path)
{
	int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = open(path, flags);

	/* Not at once with O_CREAT: in a folder like /tmp the kernel then refuses other people's
	 * files, even to root (fs.protected_regular). */
	if (fd < 0 && errno == ENOENT) {
		fd = open(path, flags | O_CREAT | O_EXCL, 0600);
		if (fd >= 0)
			output__give_to_caller(fd);
	}
	return fd < 0 ? -errno : fd;
}

/* Takes fd over. */
static void adopt(struct rowfile *file, int fd)
{
	struct stat status;

	file->fd = fd;
	file->has_size = !fstat(fd, &status) && S_ISREG(status.st_mode);
	file->bytes = file->has_size ? (uint64_t)status.st_size : 0;
}

/* Its name is there no more, or is another file's. */
static bool has_gone(const struct rowfile *file)
{
	struct stat named, ours;

	return file->fd < 0 || lstat(file->path, &named) || fstat(file->fd, &ours) ||
	       named.st_dev != ours.st_dev || named.st_ino != ours.st_ino;
}

/* 0, or -errno: there is no file to write to at present. */
static int reopen(struct rowfile *file)
{
	int fd;

	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	fd = open_regular(file->path);
	if (fd < 0)
		return fd;
	adopt(file, fd);
	if (file->has_size)
		return 0;
	close(fd);
	file->fd = -1;
	return -EEXIST;
}

static void wait_writable(int fd)
{
	struct pollfd wanted = { .fd = fd, .events = POLLOUT };

	poll(&wanted, 1, -1);
}

/* Writes as much as can be; *written says how much. 0 or -errno. */
static int write_some(int fd, const char *data, size_t len, size_t *written)
{
	for (*written = 0; *written < len;) {
		ssize_t now = write(fd, data + *written, len - *written);

		if (now >= 0)
			*written += (size_t)now;
		else if (errno == EAGAIN)
			wait_writable(fd);
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Takes back the last bytes written: part of a row. */
static void cut_back(struct rowfile *file, size_t bytes)
{
	off_t at = lseek(file->fd, 0, SEEK_CUR);
	struct stat status;

	if (!bytes || at < (off_t)bytes || fstat(file->fd, &status) || status.st_size != at ||
	    ftruncate(file->fd, at - (off_t)bytes))
		return;
	/* A shell opens its files without O_APPEND. */
	lseek(file->fd, at - (off_t)bytes, SEEK_SET);
}

/* The header, where the file has none yet. */
static int write_header(struct rowfile *file)
{
	size_t len = file->header ? strlen(file->header) : 0, written;
	int err;

	if (!len || file->bytes)
		return 0;
	err = write_some(file->fd, file->header, len, &written);
	if (err && file->has_size)
		cut_back(file, written);
	if (!err)
		file->bytes += written;
	return err;
}

/* Rows of the buffer that end by its byte `len`. */
static size_t count_whole(const struct rowfile *file, size_t len)
{
	size_t low = 0, high = file->nr_rows;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (file->ends[middle] <= len)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Writes the buffer; *nr is how many rows are in the file after that. 0 or -errno. */
static int write_rows(struct rowfile *file, size_t *nr)
{
	size_t written, whole;
	int err = write_some(file->fd, file->buffer, file->used, &written);

	*nr = count_whole(file, written);
	whole = *nr ? file->ends[*nr - 1] : 0;
	if (file->has_size)
		cut_back(file, written - whole);
	file->bytes += whole;
	return err;
}

static bool is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

/* May what failed be tried again later? */
static bool may_recover(const struct rowfile *file, int err)
{
	return file->options.persist && file->has_size && (is_full(err) || file->regular);
}

static int note_result(struct rowfile *file, int err, size_t nr_written, size_t nr_lost)
{
	if (!err) {
		if (file->losing && !nr_written)
			return 0;
		if (file->losing)
			log_warn("%s can be written again; %" PRIu64 " rows are missing in it.",
				 shown(file), file->nr_lost);
		file->losing = false;
		return 0;
	}
	file->nr_lost += nr_lost;
	file->lost_err = err;
	if (!may_recover(file, err)) {
		log_err("%s cannot be written: %s.", shown(file), strerror(-err));
		file->err = err;
		return err;
	}
	if (!file->losing)
		log_warn("%s cannot be written at present: %s. Rows are counted until it can.",
			 shown(file), strerror(-err));
	file->losing = true;
	return 0;
}

int rowfile__flush(struct rowfile *file)
{
	size_t nr = 0, nr_rows = file->nr_rows;
	int err = 0;

	if (file->err)
		return file->err;
	if (file->regular && has_gone(file))
		err = reopen(file);
	if (!err)
		err = write_header(file);
	if (!err && file->used)
		err = write_rows(file, &nr);
	file->used = file->nr_rows = 0;
	return note_result(file, err, nr, nr_rows - nr);
}

/* FILE becomes FILE.1, and so on; a new one is begun. */
static int rotate(struct rowfile *file)
{
	char *from, *to = NULL;
	int err = 0;

	for (unsigned i = file->options.keep; i > 0; i--) {
		to = xasprintf("%s.%u", file->path, i);
		from = i > 1 ? xasprintf("%s.%u", file->path, i - 1) : xstrdup(file->path);
		if (rename(from, to) && errno != ENOENT)
			err = -errno;
		free(from);
		free(to);
	}
	if (!file->options.keep && unlink(file->path) && errno != ENOENT)
		err = -errno;
	if (err && !file->warned_rotation)
		log_warn("%s cannot be renamed: %s. It grows on.", file->path, strerror(-err));
	file->warned_rotation |= err != 0;
	/* Where it has its name still, it is opened again and grows on. */
	return has_gone(file) ? reopen(file) : 0;
}

/* Makes room for a row in the file. */
static int keep_size(struct rowfile *file, size_t len)
{
	size_t header = file->header ? strlen(file->header) : 0;
	uint64_t limit = file->options.rotate_bytes;
	int err;

	if (!limit || !file->regular || file->warned_rotation ||
	    max(file->bytes, header) + file->used + len <= limit)
		return 0;
	err = rowfile__flush(file);
	if (err || file->losing || file->bytes <= header || file->bytes + len <= limit)
		return err;
	return note_result(file, rotate(file), 0, 0);
}

int rowfile__append(struct rowfile *file, const char *row, size_t len)
{
	int err = file->err;

	if (!err)
		err = keep_size(file, len);
	if (!err && file->used && file->used + len > BUFFER_BYTES)
		err = rowfile__flush(file);
	if (err)
		return err;
	if (file->capacity - file->used < len) {
		file->capacity = max(file->used + len, (size_t)BUFFER_BYTES);
		file->buffer = xrealloc(file->buffer, file->capacity);
	}
	memcpy(file->buffer + file->used, row, len);
	file->used += len;
	file->ends =
		array__grow(file->ends, file->nr_rows, &file->ends_capacity, sizeof(*file->ends));
	file->ends[file->nr_rows++] = file->used;
	return 0;
}

/* What exists and is no regular file, /dev/stdout by a link among them. -ELOOP: a link to anything
 * else. */
static int open_special(const char *path)
{
	int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return errno == ENOENT ? -ELOOP : -errno;
	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return fd;
	close(fd);
	return -ELOOP;
}

/* What is there before the first row goes out of the way. */
static int begin_regular(struct rowfile *file)
{
	file->regular = true;
	if (!file->bytes)
		return 0;
	if (file->options.rotate_bytes)
		return rotate(file);
	file->bytes = 0;
	return ftruncate(file->fd, 0) ? -errno : 0;
}

static int open_path(struct rowfile *file)
{
	int fd = open_regular(file->path);

	if (fd == -ELOOP || fd == -ENXIO)
		fd = open_special(file->path);
	if (fd < 0)
		return fd;
	adopt(file, fd);
	if (file->has_size)
		return begin_regular(file);
	fcntl(fd, F_SETFL, O_WRONLY);
	return 0;
}

struct rowfile *rowfile__open(const struct rowfile_options *options)
{
	struct rowfile *file = xcalloc(1, sizeof(*file));
	int err = 0;

	file->options = *options;
	file->fd = -1;
	file->header = options->header ? xstrdup(options->header) : NULL;
	if (options->path && strcmp(options->path, "-")) {
		file->path = xstrdup(options->path);
		err = open_path(file);
	} else {
		adopt(file, STDOUT_FILENO);
		/* A header is for each stream, whatever the shell has put before it. */
		file->bytes = 0;
	}
	if (!err)
		return file;
	if (err == -ELOOP)
		log_err("%s is a symbolic link: name the file behind it, for it may be begun again "
			"while it is written.",
			options->path);
	else
		log_err("%s cannot be written: %s.", options->path, strerror(-err));
	file->err = err;
	rowfile__close(file);
	errno = -err;
	return NULL;
}

void rowfile__set_header(struct rowfile *file, const char *header)
{
	free(file->header);
	file->header = xstrdup(header);
}

int rowfile__close(struct rowfile *file)
{
	int err;

	if (!file)
		return 0;
	err = rowfile__flush(file);
	if (!err && file->nr_lost) {
		err = file->lost_err;
		log_err("%" PRIu64 " rows are missing in %s: %s.", file->nr_lost, shown(file),
			strerror(-err));
	}
	if (file->fd > STDERR_FILENO && close(file->fd) && !err) {
		err = -errno;
		log_err("%s could not be written: %s.", shown(file), strerror(-err));
	}
	free(file->path);
	free(file->header);
	free(file->buffer);
	free(file->ends);
	free(file);
	return err;
}
