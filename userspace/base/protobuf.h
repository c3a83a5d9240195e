/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A writer of Protocol Buffers messages into a growing buffer. Fields are numbered as in the
 * schema; as proto3 wants it, a number that is 0 and a text that is empty take no room.
 */
#ifndef PROTOBUF_H
#define PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise. */
struct protobuf {
	uint8_t *data;
	size_t len, capacity;
};

/* int64, uint64, bool: all are varints. A negative int64 is passed as its bits. */
void protobuf__uint(struct protobuf *message, unsigned field, uint64_t value);
/* bytes, string; always written, as an element of a repeated field. */
void protobuf__bytes(struct protobuf *message, unsigned field, const void *data, size_t len);
/* A message in a message; always written. */
void protobuf__message(struct protobuf *message, unsigned field, const struct protobuf *inner);
/* A repeated number, packed; nothing when there are none. */
void protobuf__packed(struct protobuf *message, unsigned field, const uint64_t *values, size_t nr);
/* Empties the message, keeps its memory. */
void protobuf__reset(struct protobuf *message);
void protobuf__clear(struct protobuf *message);

#endif /* PROTOBUF_H */
