// SPDX-License-Identifier: BSD-2-Clause
#include "trace/reader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "trace/block.h"
#include "trace/header.h"
#include "trace/index.h"
#include "trace/record.h"
#include "wire.h"

struct trace_reader {
	int fd;
	const char *start; /* what was read from it before */
	size_t start_len;
	int err; /* stays */
	const char *reason;
	uint64_t bytes;
	bool is_file;
	uint64_t offset, size; /* of a file: where the recording begins in it, and its bytes */
	bool foreign;
	unsigned address_size;
	uint64_t monotonic_ns, realtime_ns;
	uint64_t until_ns;
	bool looked_for_index;
	struct trace_index *index; /* NULL: there is none, or it was not looked for */
	size_t next;		   /* its block to be read next, or one before */
	struct block_decoder *decoder;
	uint32_t used, at; /* bytes of records, and where the next one is */
	uint64_t records[BLOCK_MAX_RAW / sizeof(uint64_t)];
	uint8_t stored[BLOCK_MAX_RAW];
};

static void wait_readable(int fd)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };

	poll(&wanted, 1, -1);
}

/* How many of len bytes there were before the end; -errno. */
static ssize_t read_all(struct trace_reader *reader, void *data, size_t len)
{
	size_t got = min(len, reader->start_len);

	if (got) {
		memcpy(data, reader->start, got);
		reader->start += got;
		reader->start_len -= got;
	}
	while (got < len) {
		ssize_t now = read(reader->fd, (char *)data + got, len - got);

		if (!now)
			break;
		if (now < 0 && errno == EAGAIN)
			wait_readable(reader->fd);
		else if (now < 0 && errno != EINTR)
			return -errno;
		if (now > 0)
			got += (size_t)now;
	}
	reader->bytes += got;
	return (ssize_t)got;
}

static int read_header(struct trace_reader *reader, const char **reason)
{
	struct trace_header header;
	struct trace_start start;
	char buffer[HEADER_MAX_SIZE];
	size_t rest;
	ssize_t got;
	int err;

	got = read_all(reader, buffer, HEADER_START_SIZE);
	if (got < 0)
		goto unreadable;
	err = header__check_start(buffer, (size_t)got, &start, reason);
	if (err)
		return err;
	rest = start.header_size - HEADER_START_SIZE;
	got = read_all(reader, buffer + HEADER_START_SIZE, rest);
	if (got < 0)
		goto unreadable;
	if ((size_t)got < rest) {
		*reason = "ends in the middle of its header";
		return -EBADMSG;
	}
	err = header__check(buffer, &start, &header, reason);
	reader->foreign = start.foreign;
	reader->address_size = header.address_size;
	reader->monotonic_ns = header.monotonic_ns;
	reader->realtime_ns = header.realtime_ns;
	return err;

unreadable:
	*reason = NULL; /* errno says it */
	return (int)got;
}

static void look_at_file(struct trace_reader *reader)
{
	off_t offset = lseek(reader->fd, 0, SEEK_CUR) - (off_t)reader->start_len;
	struct stat stat;

	if (offset < 0 || fstat(reader->fd, &stat) || !S_ISREG(stat.st_mode))
		return;
	reader->is_file = true;
	reader->offset = (uint64_t)offset;
	reader->size = (uint64_t)max(stat.st_size - offset, (off_t)0);
}

struct trace_reader *trace_reader__new(int fd, const char **reason)
{
	return trace_reader__new_after(fd, NULL, 0, reason);
}

struct trace_reader *trace_reader__new_after(int fd, const void *start, size_t len,
					     const char **reason)
{
	struct trace_reader *reader = xcalloc(1, sizeof(*reader));
	int err;

	reader->fd = fd;
	reader->start = start;
	reader->start_len = len;
	reader->until_ns = UINT64_MAX;
	look_at_file(reader);
	err = read_header(reader, reason);
	if (err) {
		trace_reader__free(reader);
		errno = -err;
		return NULL;
	}
	reader->decoder = block_decoder__new(reader->foreign);
	return reader;
}

void trace_reader__free(struct trace_reader *reader)
{
	if (!reader)
		return;
	block_decoder__free(reader->decoder);
	trace_index__free(reader->index);
	free(reader);
}

static int fail(struct trace_reader *reader, int err, const char *reason)
{
	reader->err = err;
	reader->reason = reason;
	return err;
}

/* Reads exactly len bytes. 1; 0 at the end of the file; an error, when it ends between. */
static int read_part(struct trace_reader *reader, void *data, size_t len)
{
	ssize_t got = read_all(reader, data, len);

	if (got < 0)
		return fail(reader, (int)got, "could not be read");
	if (got && (size_t)got < len)
		return fail(reader, -EBADMSG, "ends in the middle of a block");
	return got > 0;
}

bool trace_reader__has_index(struct trace_reader *reader)
{
	if (reader->is_file && !reader->looked_for_index)
		reader->index = trace_index__read(reader->fd, reader->offset);
	reader->looked_for_index = true;
	return reader->index;
}

void trace_reader__until(struct trace_reader *reader, uint64_t time_ns)
{
	reader->until_ns = time_ns;
	trace_reader__has_index(reader);
}

/* Where the recording goes on with something that may be wanted: blocks that have nothing but
 * events that are too late are left out. */
static uint64_t find_next(struct trace_reader *reader)
{
	const struct trace_index *index = reader->index;
	size_t i = reader->next;

	while (i < index->nr_blocks && index->blocks[i].offset < reader->bytes)
		i++;
	/* There is no such block, or all of them have been read. */
	if (i == index->nr_blocks || index->blocks[i].offset != reader->bytes)
		return reader->bytes;
	while (i < index->nr_blocks && index->blocks[i].first_ns > reader->until_ns &&
	       trace_index__only_events(&index->blocks[i]))
		i++;
	reader->next = i;
	return i < index->nr_blocks ? index->blocks[i].offset : index->end;
}

static bool go_to(struct trace_reader *reader, uint64_t offset)
{
	if (lseek(reader->fd, (off_t)(reader->offset + offset), SEEK_SET) < 0)
		return false;
	reader->bytes = offset;
	return true;
}

/* 1: there is a block; 0: the end; -errno. */
static int read_block(struct trace_reader *reader)
{
	struct block_header header;
	int err;

	err = read_part(reader, &header, sizeof(header));
	if (err <= 0)
		return err;
	if (reader->foreign)
		block__swap_header(&header);
	if (!block__header_valid(&header))
		return fail(reader, -EBADMSG, "is damaged: a block does not begin as one");
	err = read_part(reader, reader->stored, header.stored_len);
	if (err < 0)
		return err;
	if (!err)
		return fail(reader, -EBADMSG, "ends in the middle of a block");
	err = block_decoder__decode(reader->decoder, &header, reader->stored, reader->records);
	if (err)
		return fail(reader, err, "is damaged: a block is not what was written");
	reader->used = header.raw_len;
	reader->at = 0;
	return 1;
}

/* The same; skips what the index says holds nothing that is wanted. */
static int next_block(struct trace_reader *reader)
{
	uint64_t here = reader->bytes, to = reader->index ? find_next(reader) : here;
	int err;

	if (to == here || !go_to(reader, to))
		return read_block(reader);
	err = read_block(reader);
	if (err > 0)
		return err;
	/* There is always something behind: the index lies. */
	trace_index__free(reader->index);
	reader->index = NULL;
	if (!go_to(reader, here))
		return err;
	reader->err = 0;
	return read_block(reader);
}

static bool is_wanted(const struct trace_reader *reader, const struct wire_head *head)
{
	switch (head->type) {
	case WIRE_ALLOC:
		return ((const struct wire_alloc *)head)->time_ns <= reader->until_ns;
	case WIRE_FREE:
		return ((const struct wire_free *)head)->time_ns <= reader->until_ns;
	case WIRE_INDEX:
	case WIRE_FOOTER:
		return false; /* about the file, not in the stream */
	}
	return true;
}

int trace_reader__next(struct trace_reader *reader, const struct wire_head **record)
{
	const struct wire_head *head;

	if (reader->err)
		return reader->err;
	do {
		if (reader->at == reader->used) {
			int err = next_block(reader);

			if (err <= 0)
				return err;
		}
		head = (const void *)((const char *)reader->records + reader->at);
		if (!record__valid(head, reader->used - reader->at))
			return fail(reader, -EBADMSG,
				    "is damaged: a record has impossible lengths");
		reader->at += head->size;
	} while (!is_wanted(reader, head));
	*record = head;
	return 1;
}

const char *trace_reader__reason(const struct trace_reader *reader)
{
	return reader->reason;
}

void trace_reader__anchor(const struct trace_reader *reader, uint64_t *monotonic_ns,
			  uint64_t *realtime_ns)
{
	*monotonic_ns = reader->monotonic_ns;
	*realtime_ns = reader->realtime_ns;
}

uint64_t trace_reader__bytes(const struct trace_reader *reader)
{
	return reader->bytes;
}

unsigned trace_reader__address_size(const struct trace_reader *reader)
{
	return reader->address_size;
}

int trace_reader__progress(const struct trace_reader *reader)
{
	if (!reader->is_file || !reader->size)
		return -1;
	/* A file that is being written has grown since. */
	if (reader->bytes >= reader->size)
		return 100;
	return (int)(reader->bytes / (reader->size / 100 + 1));
}
