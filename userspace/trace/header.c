// SPDX-License-Identifier: BSD-2-Clause
#include "trace/header.h"

#include <byteswap.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/util.h"
#include "trace/swap.h"

#define BYTE_ORDER_MARK 0x01020304u

/* Of struct trace_header, for swap__fields; the magic is bytes. */
#define FIELDS "11111111224112444888"

/* As in PNG: a byte that is no text, and line ends that a transfer in text mode would change. */
static const uint8_t magic[8] = { 0x89, 'H', 'T', 'A', 'P', '\r', '\n', 0x1a };

void header__fill(struct trace_header *header)
{
	*header = (struct trace_header){
		.version = HEADER_VERSION,
		.header_size = sizeof(*header),
		.byte_order = BYTE_ORDER_MARK,
		.address_size = sizeof(void *),
		.clock = CLOCK_MONOTONIC,
		.monotonic_ns = clock__monotonic_ns(),
		.realtime_ns = clock__realtime_ns(),
	};
	memcpy(header->magic, magic, sizeof(magic));
	header->checksum = hash__bytes(header, offsetof(struct trace_header, checksum));
}

void header__fill_guessed(struct trace_header *header, uint64_t monotonic_ns, uint64_t realtime_ns)
{
	header__fill(header);
	header->optional_features = HEADER_ANCHOR_GUESSED;
	header->monotonic_ns = monotonic_ns;
	header->realtime_ns = realtime_ns;
	header->checksum = hash__bytes(header, offsetof(struct trace_header, checksum));
}

static int refuse(int err, const char **reason, const char *why)
{
	*reason = why;
	return err;
}

int header__check_start(const void *start, size_t len, struct trace_start *found,
			const char **reason)
{
	struct trace_header header = { 0 };

	memcpy(&header, start, min(len, HEADER_START_SIZE));
	if (!len)
		return refuse(-EBADMSG, reason, "is empty");
	if (memcmp(header.magic, magic, 5))
		return refuse(-EBADMSG, reason, "is not a heaptap recording");
	if (len < HEADER_START_SIZE)
		return refuse(-EBADMSG, reason, "ends in the middle of its header");
	if (memcmp(header.magic, magic, sizeof(magic)))
		return refuse(-EBADMSG, reason, "was damaged by a transfer as text");
	found->foreign = header.byte_order == bswap_32(BYTE_ORDER_MARK);
	if (found->foreign)
		swap__fields(&header, HEADER_START_SIZE, FIELDS);
	if (header.byte_order != BYTE_ORDER_MARK)
		return refuse(-EBADMSG, reason, "has a damaged header");
	if (header.version > HEADER_VERSION)
		return refuse(-EPROTONOSUPPORT, reason,
			      "was written by a newer heaptap; update this one");
	if (!header.version || header.header_size < sizeof(header) ||
	    header.header_size > HEADER_MAX_SIZE || header.header_size % 8)
		return refuse(-EBADMSG, reason, "has a damaged header");
	found->header_size = header.header_size;
	return 0;
}

int header__check(const void *buffer, const struct trace_start *found, struct trace_header *header,
		  const char **reason)
{
	size_t hashed = found->header_size - sizeof(header->checksum);

	memcpy(header, buffer, sizeof(*header));
	memcpy(&header->checksum, (const char *)buffer + hashed, sizeof(header->checksum));
	if (found->foreign)
		swap__fields(header, sizeof(*header), FIELDS);
	if (header->checksum != hash__bytes(buffer, hashed))
		return refuse(-EBADMSG, reason, "has a damaged header");
	if (header->required_features)
		return refuse(-EPROTONOSUPPORT, reason,
			      "was written by a newer heaptap; update this one");
	return 0;
}
