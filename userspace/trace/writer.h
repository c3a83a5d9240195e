/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a recording (format: docs/format.md): wire records, packed in compressed, checksummed
 * blocks. */
#ifndef WRITER_H
#define WRITER_H

#include <stdint.h>

struct wire_head;
struct trace_writer;

/*
 * Starts a recording on fd, which stays the caller's; writes the header at once. path is for
 * debug messages: it is the caller who tells the user. NULL with errno on failure.
 */
struct trace_writer *trace_writer__new(int fd, const char *path);

/* The same with records of another machine's: the moment of the header is a guess of what its
 * clocks showed at once. */
struct trace_writer *trace_writer__new_guessed(int fd, const char *path, uint64_t monotonic_ns,
					       uint64_t realtime_ns);

/*
 * Appends one record. The index of another recording, and its footer, are left out: each has its
 * own. 0 or -errno. After an error (a full disk) every further call returns the same
 * error and writes nothing; what went before it is a readable, truncated recording.
 */
int trace_writer__append(struct trace_writer *writer, const struct wire_head *record);

/* Writes what is buffered as a block, so that a reader of a pipe sees it. 0 or -errno. */
int trace_writer__flush(struct trace_writer *writer);

/* Bytes written to fd so far. What the writer keeps for the index is 40 bytes a block. */
uint64_t trace_writer__bytes(const struct trace_writer *writer);

/* Flushes, writes the index, unless something has failed, and frees. 0, or the -errno of the first
 * failure. NULL is allowed. */
int trace_writer__close(struct trace_writer *writer);

#endif /* WRITER_H */
