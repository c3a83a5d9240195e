// SPDX-License-Identifier: BSD-2-Clause
#include "source/open.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "source/source.h"
#include "trace/dumpalloc.h"
#include "trace/reader.h"

static const struct {
	const char *name;
	bool (*begins)(const void *start, size_t len); /* NULL: what no other does */
	struct source *(*open)(int fd, const char *name, const void *start, size_t len);
} formats[] = {
	{ "dumpalloc", dumpalloc__begins, dumpalloc_source__new },
	{ "htap", NULL, file_source__new },
};

_Static_assert(DUMPALLOC_START_SIZE <= TRACE_READER_START,
	       "the reader of recordings takes it back");

/* Reads up to size bytes, fewer at the end or where reading fails: who reads on finds out which. */
static size_t read_start(int fd, uint8_t *start, size_t size)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };
	size_t got = 0;

	while (got < size) {
		ssize_t now = read(fd, start + got, size - got);

		if (now < 0 && errno == EAGAIN)
			poll(&wanted, 1, -1);
		else if (!now || (now < 0 && errno != EINTR))
			break;
		if (now > 0)
			got += (size_t)now;
	}
	return got;
}

/* Is this the format that was asked for, or else the one the file begins as? */
static bool is_wanted(size_t format, const char *from, const void *start, size_t len)
{
	if (from)
		return !strcmp(formats[format].name, from);
	return !formats[format].begins || formats[format].begins(start, len);
}

struct source *file_source__open(const char *path, const char *from)
{
	bool from_stdin = !strcmp(path, "-");
	const char *name = from_stdin ? "standard input" : path;
	int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	uint8_t start[DUMPALLOC_START_SIZE];
	size_t format = 0, len;
	off_t at;

	if (fd < 0) {
		log_err("%s cannot be opened: %s.", path, strerror(errno));
		return NULL;
	}
	/* Readers of files like to find them at their beginning. */
	at = lseek(fd, 0, SEEK_CUR);
	len = read_start(fd, start, sizeof(start));
	while (!is_wanted(format, from, start, len))
		format++;
	if (at >= 0 && lseek(fd, at, SEEK_SET) == at)
		len = 0;
	return formats[format].open(fd, name, start, len);
}
