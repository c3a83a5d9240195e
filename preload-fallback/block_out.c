// SPDX-License-Identifier: BSD-2-Clause
#include "block_out.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "hash.h"

#define VERSION		1u
#define BYTE_ORDER_MARK 0x01020304u
#define BLOCK_MAGIC	0x4b4c4248u

struct header_out {
	uint8_t magic[8];
	uint16_t version, header_size;
	uint32_t byte_order;
	uint8_t address_size, clock;
	uint16_t pad;
	uint32_t required_features, optional_features, pad2;
	uint64_t monotonic_ns, realtime_ns;
	uint64_t checksum;
};

struct block_out {
	uint32_t magic, raw_len, stored_len, codec;
	uint64_t checksum;
};

_Static_assert(sizeof(struct header_out) == HEADER_OUT_BYTES, "header layout");
_Static_assert(sizeof(struct block_out) == BLOCK_OUT_HEAD, "block layout");

void header_out__write(void *to, uint64_t monotonic_ns, uint64_t realtime_ns)
{
	struct header_out header = {
		.magic = { 0x89, 'H', 'T', 'A', 'P', '\r', '\n', 0x1a },
		.version = VERSION,
		.header_size = sizeof(header),
		.byte_order = BYTE_ORDER_MARK,
		.address_size = sizeof(void *),
		.clock = CLOCK_MONOTONIC,
		.monotonic_ns = monotonic_ns,
		.realtime_ns = realtime_ns,
	};

	header.checksum = hash__bytes(&header, offsetof(struct header_out, checksum));
	memcpy(to, &header, sizeof(header));
}

/* The checksum is of the fields before it and the records: they stand side by side for that moment.
 */
void block_out__seal(void *records, uint32_t len)
{
	struct block_out head = { .magic = BLOCK_MAGIC, .raw_len = len, .stored_len = len };
	const size_t hashed = offsetof(struct block_out, checksum);
	uint8_t *at = records;

	memcpy(at - hashed, &head, hashed);
	head.checksum = hash__bytes(at - hashed, hashed + len);
	memcpy(at - sizeof(head), &head, sizeof(head));
}
