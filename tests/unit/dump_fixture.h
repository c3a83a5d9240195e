/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams of libdumpalloc, made as it makes them, in either byte order. */
#ifndef DUMP_FIXTURE_H
#define DUMP_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct dump_stream {
	bool big;
	size_t used;
	uint8_t data[1 << 18];
};

static inline void dump_number(struct dump_stream *stream, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		stream->data[stream->used++] =
			(uint8_t)(value >> 8 * (stream->big ? bytes - 1 - i : i));
}

static inline void dump_text(struct dump_stream *stream, const char *text)
{
	dump_number(stream, strlen(text), 4);
	memcpy(stream->data + stream->used, text, strlen(text));
	stream->used += strlen(text);
}

static inline void dump_header(struct dump_stream *stream, uint64_t time_s, uint32_t pid,
			       const char *argv)
{
	dump_number(stream, 0, 4);
	dump_number(stream, time_s, 8);
	dump_number(stream, pid, 4);
	dump_text(stream, argv);
}

static inline void dump_object(struct dump_stream *stream, uint64_t time_s, uint64_t bias,
			       const char *path)
{
	dump_number(stream, 3, 4);
	dump_number(stream, time_s, 8);
	dump_number(stream, bias, 8);
	dump_text(stream, path);
}

/* Without the end of its stack. */
static inline void dump_alloc_begin(struct dump_stream *stream, uint64_t time_s, uint64_t addr,
				    uint32_t bytes)
{
	dump_number(stream, 1, 4);
	dump_number(stream, time_s, 8);
	dump_number(stream, addr, 8);
	dump_number(stream, bytes, 4);
}

static inline void dump_frame(struct dump_stream *stream, uint64_t frame)
{
	dump_number(stream, frame, 8);
}

static inline void dump_python(struct dump_stream *stream, const char *function, const char *file,
			       uint32_t line)
{
	dump_text(stream, function);
	dump_text(stream, file);
	dump_number(stream, line, 4);
}

static inline void dump_python_end(struct dump_stream *stream)
{
	dump_number(stream, 0, 4);
}

/* With a stack of two frames. */
static inline void dump_alloc(struct dump_stream *stream, uint64_t time_s, uint64_t addr,
			      uint32_t bytes, uint64_t inner, uint64_t outer)
{
	dump_alloc_begin(stream, time_s, addr, bytes);
	dump_frame(stream, inner);
	dump_frame(stream, outer);
	dump_frame(stream, 0);
}

static inline void dump_free(struct dump_stream *stream, uint64_t time_s, uint64_t addr)
{
	dump_number(stream, 2, 4);
	dump_number(stream, time_s, 8);
	dump_number(stream, addr, 8);
}

#endif /* DUMP_FIXTURE_H */
