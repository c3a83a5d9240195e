/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads DWARF's basic types, in this machine's byte order. Past the end everything is 0 and the
 * reader is marked: who reads may look at the mark once, at the end.
 */
#ifndef UNWIND_READER_H
#define UNWIND_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct unwind_reader {
	const uint8_t *at, *end;
	bool failed;
};

static inline size_t unwind_reader__left(const struct unwind_reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

static inline bool unwind_reader__skip(struct unwind_reader *reader, uint64_t len)
{
	if (len > unwind_reader__left(reader)) {
		reader->failed = true;
		reader->at = reader->end;
		return false;
	}
	reader->at += len;
	return true;
}

/* An integer of 1, 2, 4 or 8 bytes; little-endian, as both architectures are. */
static inline uint64_t unwind_reader__fixed(struct unwind_reader *reader, size_t len)
{
	uint64_t value = 0;

	if (unwind_reader__skip(reader, len))
		memcpy(&value, reader->at - len, len);
	return value;
}

static inline uint8_t unwind_reader__u8(struct unwind_reader *reader)
{
	return (uint8_t)unwind_reader__fixed(reader, 1);
}

/* Reads either kind of LEB128; bits past the 64th are dropped, wherever the number ends. */
static inline uint64_t unwind_reader__leb(struct unwind_reader *reader, bool is_signed)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = unwind_reader__u8(reader);
		if (shift < 64) {
			value |= (uint64_t)(byte & 0x7f) << shift;
			shift += 7;
		}
	} while (byte & 0x80);
	if (is_signed && (byte & 0x40) && shift < 64)
		value |= UINT64_MAX << shift;
	return value;
}

static inline uint64_t unwind_reader__uleb(struct unwind_reader *reader)
{
	return unwind_reader__leb(reader, false);
}

static inline int64_t unwind_reader__sleb(struct unwind_reader *reader)
{
	return (int64_t)unwind_reader__leb(reader, true);
}

/* The next len bytes; none, and marked, where they are not there. */
static inline struct unwind_reader unwind_reader__part(struct unwind_reader *reader, uint64_t len)
{
	struct unwind_reader part = { .at = reader->at };

	if (!unwind_reader__skip(reader, len)) {
		part.at = reader->end;
		part.failed = true;
	}
	part.end = reader->at;
	return part;
}

#endif /* UNWIND_READER_H */
