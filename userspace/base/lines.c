// SPDX-License-Identifier: BSD-2-Clause
#include "base/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

struct lines {
	int fd;
	bool at_end;
	bool passing; /* over the rest of a line that is too long */
	size_t at, used;
	uint64_t offset; /* of buffer[0] */
	char buffer[2 * LINES_MAX];
};

struct lines *lines__new(int fd)
{
	struct lines *lines = xcalloc(1, sizeof(*lines));

	lines->fd = fd;
	return lines;
}

void lines__free(struct lines *lines)
{
	free(lines);
}

/* 0 or -errno. */
static int read_more(struct lines *lines)
{
	struct pollfd wanted = { .fd = lines->fd, .events = POLLIN };
	ssize_t got;

	memmove(lines->buffer, lines->buffer + lines->at, lines->used - lines->at);
	lines->offset += lines->at;
	lines->used -= lines->at;
	lines->at = 0;
	got = read(lines->fd, lines->buffer + lines->used, sizeof(lines->buffer) - lines->used);
	if (got < 0 && errno == EAGAIN)
		poll(&wanted, 1, -1);
	else if (got < 0 && errno != EINTR)
		return -errno;
	lines->at_end = !got;
	lines->used += got > 0 ? (size_t)got : 0;
	return 0;
}

/* len bytes, and skip more, are used up. */
static void hand_out(struct lines *lines, size_t len, size_t skip, struct line *line)
{
	line->text = lines->buffer + lines->at;
	line->len = len;
	line->offset = lines->offset + lines->at;
	line->too_long = len > LINES_MAX;
	lines->at += len + skip;
}

int lines__next(struct lines *lines, struct line *line)
{
	for (;;) {
		size_t rest = lines->used - lines->at;
		const char *begin = lines->buffer + lines->at, *end = memchr(begin, '\n', rest);
		bool passing = lines->passing;
		int err;

		if (end) {
			hand_out(lines, (size_t)(end - begin), 1, line);
			lines->passing = false;
			if (!passing)
				return 1;
		} else if (lines->at_end) {
			hand_out(lines, rest, 0, line);
			return rest && !passing;
		} else if (rest > LINES_MAX) {
			hand_out(lines, rest, 0, line);
			lines->passing = true;
			if (!passing)
				return 1;
		} else {
			err = read_more(lines);
			if (err)
				return err;
		}
	}
}
