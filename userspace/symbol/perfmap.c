// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is looked for is known, and little; the file may be large. So it is read once, only lines
 * around a wanted address are noted, and those are applied from the last to the first: an address
 * takes the first name it meets and is stepped over from then on, which keeps the work in
 * proportion to the lines however they overlap.
 */
#include "symbol/perfmap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

/* What lies behind is not read. */
#define MAX_FILE_BYTES (512u << 20)
#define MAX_NOTED      (8u << 20)

struct lines {
	int fd, err;
	uint64_t offset; /* of the buffer's first byte in the file */
	size_t at, len;	 /* in the buffer: of the next line; of what was read */
	bool too_long;	 /* the line at `at` began before the buffer */
	char buffer[65536];
};

struct line {
	uint64_t start, end; /* of the code */
	const char *name;
	size_t name_len;
};

/* A line around a wanted address. Its name stays in the file. */
struct noted {
	uint64_t start, end;
	uint32_t name_offset;
	uint32_t name_len;
};

struct search {
	struct lines lines;
	const uint64_t *addresses;
	uint32_t nr;
	struct noted *noted;
	size_t nr_noted, capacity;
	uint32_t *next; /* by index of an address: itself, or a later one to look at instead */
};

/* Reads on behind the unfinished line, which moves to the front. False: there is no more. */
static bool fill(struct lines *lines)
{
	uint64_t end;
	ssize_t got;

	if (!lines->at && lines->len == sizeof(lines->buffer)) {
		lines->too_long = true;
		lines->at = lines->len;
	}
	memmove(lines->buffer, lines->buffer + lines->at, lines->len - lines->at);
	lines->offset += lines->at;
	lines->len -= lines->at;
	lines->at = 0;
	end = lines->offset + lines->len;
	do {
		got = pread(lines->fd, lines->buffer + lines->len,
			    min(sizeof(lines->buffer) - lines->len, MAX_FILE_BYTES - end),
			    (off_t)end);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		lines->err = -errno;
	lines->len += (size_t)max(got, (ssize_t)0);
	return got > 0;
}

/* The next whole line and its length; NULL at the end. It lives until the next call. */
static const char *next_line(struct lines *lines, size_t *len)
{
	for (;;) {
		const char *line = lines->buffer + lines->at;
		const char *end = memchr(line, '\n', lines->len - lines->at);
		bool too_long = lines->too_long;

		if (!end) {
			if (!fill(lines))
				return NULL;
			continue;
		}
		*len = (size_t)(end - line);
		lines->at += *len + 1;
		lines->too_long = false;
		if (!too_long)
			return line;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A number and the blanks behind it. */
static bool take_number(const char **at, const char *end, uint64_t *value)
{
	const char *begin = *at;

	if (end - begin > 2 && begin[0] == '0' && (begin[1] | 0x20) == 'x')
		begin = *at += 2;
	for (*value = 0; *at < end && hex_digit(**at) >= 0; ++*at) {
		if (*value >> 60)
			return false;
		*value = *value << 4 | (uint64_t)hex_digit(**at);
	}
	if (*at == begin || *at == end || (**at != ' ' && **at != '\t'))
		return false;
	while (*at < end && (**at == ' ' || **at == '\t'))
		++*at;
	return true;
}

static bool parse(const char *text, size_t len, struct line *line)
{
	const char *at = text, *end = text + len;
	uint64_t size;

	while (end > at && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	if (!take_number(&at, end, &line->start) || !take_number(&at, end, &size) || at == end ||
	    !size || __builtin_add_overflow(line->start, size, &line->end))
		return false;
	line->name = at;
	line->name_len = min((size_t)(end - at), (size_t)PERFMAP_MAX_NAME);
	return true;
}

/* The first wanted return address behind start, nr when there is none. */
static uint32_t first_behind(const struct search *search, uint64_t start)
{
	uint32_t low = 0, high = search->nr;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (search->addresses[middle] <= start)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void note_lines(struct search *search)
{
	struct lines *lines = &search->lines;
	const char *text;
	size_t len;

	while (search->nr_noted < MAX_NOTED && (text = next_line(lines, &len))) {
		struct line line;
		uint32_t first;

		if (!parse(text, len, &line))
			continue;
		first = first_behind(search, line.start);
		if (first == search->nr || search->addresses[first] > line.end)
			continue;
		search->noted = array__grow(search->noted, search->nr_noted, &search->capacity,
					    sizeof(*search->noted));
		search->noted[search->nr_noted++] = (struct noted){
			.start = line.start,
			.end = line.end,
			.name_offset =
				(uint32_t)(lines->offset + (uint64_t)(line.name - lines->buffer)),
			.name_len = (uint32_t)line.name_len,
		};
	}
}

/* The first address from index on that has no name yet; nr when there is none. */
static uint32_t nameless(const struct search *search, uint32_t index)
{
	uint32_t *next = search->next;

	while (next[index] != index) {
		next[index] = next[next[index]];
		index = next[index];
	}
	return index;
}

static bool read_name(int fd, const struct noted *noted, char name[PERFMAP_MAX_NAME + 1])
{
	ssize_t len = pread(fd, name, noted->name_len, (off_t)noted->name_offset);

	if (len <= 0)
		return false;
	name[len] = '\0';
	/* Should the file have been written anew meanwhile. */
	name[strcspn(name, "\n")] = '\0';
	return name[0] != '\0';
}

int perfmap__lookup(int fd, const uint64_t *addresses, uint32_t nr,
		    void (*found)(uint32_t index, const char *name, void *data), void *data)
{
	struct search *search = xcalloc(1, sizeof(*search));
	char name[PERFMAP_MAX_NAME + 1];
	int err;

	search->lines.fd = fd;
	search->addresses = addresses;
	search->nr = nr;
	search->next = xcalloc((size_t)nr + 1, sizeof(*search->next));
	for (uint32_t i = 0; i <= nr; i++)
		search->next[i] = i;
	note_lines(search);
	for (size_t i = search->nr_noted; i-- > 0;) {
		const struct noted *noted = &search->noted[i];
		uint32_t k = nameless(search, first_behind(search, noted->start));

		if (k == nr || addresses[k] > noted->end || !read_name(fd, noted, name))
			continue;
		for (; k < nr && addresses[k] <= noted->end; k = nameless(search, k)) {
			found(k, name, data);
			search->next[k] = k + 1;
		}
	}
	err = search->lines.err;
	free(search->next);
	free(search->noted);
	free(search);
	return err;
}
