/* SPDX-License-Identifier: BSD-2-Clause */
/* Made-up records and recordings, in memory. */
#ifndef TRACE_FIXTURE_H
#define TRACE_FIXTURE_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "trace/header.h"
#include "trace/reader.h"
#include "trace/writer.h"
#include "wire.h"

#define HEADER_SIZE sizeof(struct trace_header)

static uint64_t random_state = 1;

static inline uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) % limit);
}

static inline int memory_file(const void *data, size_t len)
{
	int fd = memfd_create("recording", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static inline char *contents(int fd, size_t *len)
{
	char *data;

	*len = (size_t)lseek(fd, 0, SEEK_END);
	data = xmalloc(*len);
	assert_int_equal(pread(fd, data, *len, 0), *len);
	return data;
}

/* Records, one behind the other. */
struct stream {
	uint64_t words[1 << 18];
	size_t used; /* bytes */
};

static inline struct wire_head *add_record(struct stream *stream, uint16_t type, size_t size)
{
	struct wire_head *head = (void *)((char *)stream->words + stream->used);

	assert_true(stream->used + size <= sizeof(stream->words));
	for (size_t i = 0; i < size; i++)
		((uint8_t *)head)[i] = (uint8_t)random_below(256);
	*head = (struct wire_head){ .type = type, .size = (uint16_t)size, .pid = 4242 };
	stream->used += size;
	return head;
}

/* A valid record with random contents: mostly events, now and then any other type. */
static inline void add_random_record(struct stream *stream)
{
	switch (random_below(20)) {
	case 0: {
		uint16_t nr = (uint16_t)random_below(WIRE_MAX_FRAMES + 1);
		struct wire_stack *stack = (void *)add_record(
			stream, WIRE_STACK, sizeof(*stack) + nr * sizeof(uint64_t));

		stack->nr_frames = nr;
		break;
	}
	case 1: {
		struct wire_string *string = (void *)add_record(stream, WIRE_STRING, 16 + 24);

		string->len = random_below(25);
		break;
	}
	case 2:
		add_record(stream, (uint16_t)(1000 + random_below(60000)), 8 + 8 * random_below(40));
		break;
	case 3:
		add_record(stream, WIRE_MAPPING, sizeof(struct wire_mapping));
		break;
	default:
		if (random_below(2)) {
			struct wire_alloc *alloc = (void *)add_record(stream, WIRE_ALLOC, 48);

			alloc->tid = random_below(3);
			alloc->func = alloc->flags = alloc->weight = 0;
		} else {
			struct wire_free *release = (void *)add_record(stream, WIRE_FREE, 32);

			release->tid = random_below(3);
			release->func = release->flags = 0;
		}
	}
}

/* Writes the stream to a memory file; a block ends behind every flush_every records (0: never by
 * itself). */
static inline int write_stream(const struct stream *stream, unsigned flush_every)
{
	int fd = memory_file("", 0);
	struct trace_writer *writer = trace_writer__new(fd, "test");
	unsigned nr = 0;

	assert_non_null(writer);
	for (size_t at = 0; at < stream->used; nr++) {
		const struct wire_head *head = (const void *)((const char *)stream->words + at);

		assert_int_equal(trace_writer__append(writer, head), 0);
		at += head->size;
		if (flush_every && nr % flush_every == flush_every - 1)
			assert_int_equal(trace_writer__flush(writer), 0);
	}
	assert_int_equal(trace_writer__flush(writer), 0);
	assert_int_equal(trace_writer__bytes(writer), lseek(fd, 0, SEEK_CUR));
	assert_int_equal(trace_writer__close(writer), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/*
 * Reads to the end and checks that what came is a prefix of the stream. Returns how the reading
 * ended, and the prefix's length in *length.
 */
static inline int read_prefix(struct trace_reader *reader, const struct stream *stream, size_t *length)
{
	const struct wire_head *record;
	int err;

	*length = 0;
	while ((err = trace_reader__next(reader, &record)) > 0) {
		assert_int_equal((uintptr_t)record % 8, 0);
		assert_true(*length + record->size <= stream->used);
		assert_memory_equal(record, (const char *)stream->words + *length, record->size);
		*length += record->size;
	}
	return err;
}

static inline int read_bytes(const void *data, size_t len, const struct stream *stream, size_t *length)
{
	int fd = memory_file(data, len), err;
	const char *reason = NULL;
	struct trace_reader *reader = trace_reader__new(fd, &reason);

	*length = 0;
	err = reader ? read_prefix(reader, stream, length) : -errno;
	if (err)
		assert_non_null(reader ? trace_reader__reason(reader) : reason);
	if (reader && err)
		assert_int_equal(trace_reader__next(reader, NULL), err);
	trace_reader__free(reader);
	close(fd);
	return err;
}

#endif /* TRACE_FIXTURE_H */
