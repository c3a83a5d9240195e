// SPDX-License-Identifier: BSD-2-Clause
#include "trace/writer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "trace/block.h"
#include "trace/header.h"
#include "trace/index.h"
#include "wire.h"

/* Large enough to compress well, small enough that a crash loses little. */
#define BLOCK_TARGET (256u << 10)

struct trace_writer {
	int fd;
	int err; /* of the first failure; nothing is written after it */
	char *path;
	uint64_t bytes;
	struct block_encoder *encoder;
	struct trace_index index;
	struct trace_index_block block; /* what the records to come are */
	uint32_t used;			/* bytes of records */
	uint64_t records[BLOCK_TARGET / sizeof(uint64_t)];
};

/* Until fd takes something, where somebody has made it non-blocking. */
static void wait_writable(int fd)
{
	struct pollfd wanted = { .fd = fd, .events = POLLOUT };

	poll(&wanted, 1, -1);
}

static int write_all(struct trace_writer *writer, const void *data, size_t len)
{
	while (len) {
		ssize_t done = write(writer->fd, data, len);

		if (done < 0 && errno == EAGAIN)
			wait_writable(writer->fd);
		else if (done < 0 && errno != EINTR)
			return -errno;
		if (done <= 0)
			continue;
		writer->bytes += (uint64_t)done;
		data = (const char *)data + done;
		len -= (size_t)done;
	}
	return 0;
}

static void destroy(struct trace_writer *writer)
{
	block_encoder__free(writer->encoder);
	trace_index__clear(&writer->index);
	free(writer->path);
	free(writer);
}

static struct trace_writer *begin(int fd, const char *path, const struct trace_header *header)
{
	struct trace_writer *writer = xcalloc(1, sizeof(*writer));
	int err;

	writer->fd = fd;
	writer->path = xstrdup(path);
	writer->encoder = block_encoder__new();
	err = write_all(writer, header, sizeof(*header));
	if (!err)
		return writer;
	destroy(writer);
	errno = -err;
	return NULL;
}

struct trace_writer *trace_writer__new(int fd, const char *path)
{
	struct trace_header header;

	header__fill(&header);
	return begin(fd, path, &header);
}

struct trace_writer *trace_writer__new_guessed(int fd, const char *path, uint64_t monotonic_ns,
					       uint64_t realtime_ns)
{
	struct trace_header header;

	header__fill_guessed(&header, monotonic_ns, realtime_ns);
	return begin(fd, path, &header);
}

static int write_block(struct trace_writer *writer, const void *block, size_t len)
{
	writer->used = 0;
	writer->err = write_all(writer, block, len);
	if (writer->err)
		log_debug("%s: a block of %zu bytes could not be written: %s.", writer->path, len,
			  strerror(-writer->err));
	return writer->err;
}

/* Compresses and writes what is buffered. */
static int write_records(struct trace_writer *writer)
{
	const void *block;
	size_t len;

	if (writer->err || !writer->used)
		return writer->err;
	len = block_encoder__encode(writer->encoder, writer->records, writer->used, &block);
	return write_block(writer, block, len);
}

int trace_writer__flush(struct trace_writer *writer)
{
	if (writer->used && !writer->err) {
		writer->block.offset = writer->bytes;
		trace_index__add(&writer->index, &writer->block);
		writer->block = (struct trace_index_block){ 0 };
	}
	return write_records(writer);
}

static void buffer(struct trace_writer *writer, const struct wire_head *record)
{
	memcpy((char *)writer->records + writer->used, record, record->size);
	writer->used += record->size;
}

int trace_writer__append(struct trace_writer *writer, const struct wire_head *record)
{
	if (record->size < sizeof(*record) || record->size % 8 ||
	    (record->type == WIRE_ALLOC && record->size < sizeof(struct wire_alloc)) ||
	    (record->type == WIRE_FREE && record->size < sizeof(struct wire_free)))
		return -EINVAL;
	if (writer->used + record->size > sizeof(writer->records))
		trace_writer__flush(writer);
	if (writer->err)
		return writer->err;
	/* Of another recording. */
	if (record->type == WIRE_INDEX || record->type == WIRE_FOOTER)
		return 0;
	trace_index__note(&writer->block, record);
	buffer(writer, record);
	return 0;
}

/* What was written, for readers that want a part of it. */
static int write_index(struct trace_writer *writer)
{
	struct trace_index *index = &writer->index;
	struct wire_footer footer;
	const void *block;
	size_t len;

	index->end = writer->bytes;
	for (size_t i = 0; i < index->nr_blocks && !writer->err; i++) {
		struct wire_index record = trace_index__record(&index->blocks[i]);

		if (writer->used + sizeof(record) > sizeof(writer->records))
			write_records(writer);
		buffer(writer, &record.head);
	}
	if (write_records(writer))
		return writer->err;
	footer = trace_index__footer(index);
	len = block_encoder__store(writer->encoder, &footer, sizeof(footer), &block);
	return write_block(writer, block, len);
}

uint64_t trace_writer__bytes(const struct trace_writer *writer)
{
	return writer->bytes;
}

int trace_writer__close(struct trace_writer *writer)
{
	int err;

	if (!writer)
		return 0;
	err = trace_writer__flush(writer);
	if (!err)
		err = write_index(writer);
	destroy(writer);
	return err;
}
