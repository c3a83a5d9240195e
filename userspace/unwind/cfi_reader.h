/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads DWARF's basic types from bytes nobody vouches for. Past the end everything is 0, and the
 * reader is marked: who reads may look at the mark once, at the end.
 */
#ifndef CFI_READER_H
#define CFI_READER_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cfi_reader {
	const uint8_t *at, *end;
	bool failed;
};

static inline size_t cfi_reader__left(const struct cfi_reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

/* Bytes that are there, or NULL. */
static inline const uint8_t *cfi_reader__bytes(struct cfi_reader *reader, uint64_t len)
{
	const uint8_t *bytes = reader->at;

	if (len > cfi_reader__left(reader)) {
		reader->failed = true;
		reader->at = reader->end;
		return NULL;
	}
	reader->at += len;
	return bytes;
}

static inline uint8_t cfi_reader__u8(struct cfi_reader *reader)
{
	const uint8_t *bytes = cfi_reader__bytes(reader, 1);

	return bytes ? *bytes : 0;
}

static inline uint16_t cfi_reader__u16(struct cfi_reader *reader)
{
	const uint8_t *bytes = cfi_reader__bytes(reader, 2);
	uint16_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return le16toh(value);
}

static inline uint32_t cfi_reader__u32(struct cfi_reader *reader)
{
	const uint8_t *bytes = cfi_reader__bytes(reader, 4);
	uint32_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return le32toh(value);
}

static inline uint64_t cfi_reader__u64(struct cfi_reader *reader)
{
	const uint8_t *bytes = cfi_reader__bytes(reader, 8);
	uint64_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return le64toh(value);
}

/* Bits past the 64th are dropped, wherever the number ends. */
static inline uint64_t cfi_reader__uleb(struct cfi_reader *reader)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = cfi_reader__u8(reader);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift = shift < 64 ? shift + 7 : shift;
	} while (byte & 0x80);
	return value;
}

static inline int64_t cfi_reader__sleb(struct cfi_reader *reader)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = cfi_reader__u8(reader);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift = shift < 64 ? shift + 7 : shift;
	} while (byte & 0x80);
	if ((byte & 0x40) && shift < 64)
		value |= UINT64_MAX << shift;
	return (int64_t)value;
}

#endif /* CFI_READER_H */
