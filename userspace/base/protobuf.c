// SPDX-License-Identifier: BSD-2-Clause
#include "base/protobuf.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define MAX_VARINT 10

enum { WIRE_TYPE_VARINT = 0, WIRE_TYPE_LEN = 2 };

static uint8_t *room(struct protobuf *message, size_t len)
{
	if (message->capacity - message->len < len) {
		message->capacity = max(message->capacity * 2, message->len + len);
		message->data = xrealloc(message->data, message->capacity);
	}
	return message->data + message->len;
}

static void put_varint(struct protobuf *message, uint64_t value)
{
	uint8_t *out = room(message, MAX_VARINT);
	size_t len = 0;

	for (; value >= 0x80; value >>= 7)
		out[len++] = (uint8_t)value | 0x80;
	out[len++] = (uint8_t)value;
	message->len += len;
}

static size_t varint_len(uint64_t value)
{
	size_t len = 1;

	for (; value >= 0x80; value >>= 7)
		len++;
	return len;
}

static void put_tag(struct protobuf *message, unsigned field, unsigned wire_type)
{
	put_varint(message, (uint64_t)field << 3 | wire_type);
}

void protobuf__uint(struct protobuf *message, unsigned field, uint64_t value)
{
	if (!value)
		return;
	put_tag(message, field, WIRE_TYPE_VARINT);
	put_varint(message, value);
}

void protobuf__bytes(struct protobuf *message, unsigned field, const void *data, size_t len)
{
	put_tag(message, field, WIRE_TYPE_LEN);
	put_varint(message, len);
	if (len)
		memcpy(room(message, len), data, len);
	message->len += len;
}

void protobuf__message(struct protobuf *message, unsigned field, const struct protobuf *inner)
{
	protobuf__bytes(message, field, inner->data, inner->len);
}

void protobuf__packed(struct protobuf *message, unsigned field, const uint64_t *values, size_t nr)
{
	size_t len = 0;

	if (!nr)
		return;
	for (size_t i = 0; i < nr; i++)
		len += varint_len(values[i]);
	put_tag(message, field, WIRE_TYPE_LEN);
	put_varint(message, len);
	for (size_t i = 0; i < nr; i++)
		put_varint(message, values[i]);
}

void protobuf__reset(struct protobuf *message)
{
	message->len = 0;
}

void protobuf__clear(struct protobuf *message)
{
	free(message->data);
	*message = (struct protobuf){ 0 };
}
