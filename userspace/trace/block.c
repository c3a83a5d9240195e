// SPDX-License-Identifier: BSD-2-Clause
#include "trace/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/util.h"
#include "trace/pack.h"
#include "trace/swap.h"

/* Fast: the writer must keep up with the watched program. */
#define ZLIB_LEVEL 1

struct block_encoder {
	z_stream deflate;
	struct pack *pack;
	uint8_t packed[BLOCK_MAX_RAW];
	struct block_header header; /* directly before its payload */
	uint8_t payload[BLOCK_MAX_RAW];
};

struct block_decoder {
	bool foreign;
	z_stream inflate;
	struct pack *pack;
	uint8_t packed[BLOCK_MAX_RAW];
};

/* header as it is in the file. */
static uint64_t checksum(const struct block_header *header, uint32_t stored_len, const void *stored)
{
	XXH3_state_t state;

	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, header, offsetof(struct block_header, checksum));
	XXH3_64bits_update(&state, stored, stored_len);
	return XXH3_64bits_digest(&state);
}

/* zlib's initialisers fail only for want of memory (or with a zlib that is no zlib). */
static void require(int status)
{
	if (status == Z_OK)
		return;
	log_err("zlib could not be started: %s.", zError(status));
	exit(1);
}

struct block_encoder *block_encoder__new(void)
{
	struct block_encoder *encoder = xcalloc(1, sizeof(*encoder));

	encoder->pack = pack__new();
	require(deflateInit(&encoder->deflate, ZLIB_LEVEL));
	return encoder;
}

void block_encoder__free(struct block_encoder *encoder)
{
	if (!encoder)
		return;
	deflateEnd(&encoder->deflate);
	pack__free(encoder->pack);
	free(encoder);
}

/* The length of data's zlib stream in payload; 0 where it would take limit bytes or more. */
static uint32_t compress_payload(struct block_encoder *encoder, const void *data, size_t len,
				 uint32_t limit)
{
	z_stream *stream = &encoder->deflate;

	deflateReset(stream);
	stream->next_in = (z_const Bytef *)data;
	stream->avail_in = (uInt)len;
	stream->next_out = encoder->payload;
	stream->avail_out = limit - 1;
	return deflate(stream, Z_FINISH) == Z_STREAM_END ? (uint32_t)stream->total_out : 0;
}

static size_t seal(struct block_encoder *encoder, const void **block)
{
	struct block_header *header = &encoder->header;

	header->checksum = checksum(header, header->stored_len, encoder->payload);
	*block = header;
	return sizeof(*header) + header->stored_len;
}

size_t block_encoder__store(struct block_encoder *encoder, const void *raw, uint32_t raw_len,
			    const void **block)
{
	encoder->header = (struct block_header){ .magic = BLOCK_MAGIC,
						 .raw_len = raw_len,
						 .stored_len = raw_len,
						 .codec = BLOCK_STORED };
	memcpy(encoder->payload, raw, raw_len);
	return seal(encoder, block);
}

size_t block_encoder__encode(struct block_encoder *encoder, const void *raw, uint32_t raw_len,
			     const void **block)
{
	struct block_header *header = &encoder->header;
	size_t packed_len = pack__pack(encoder->pack, raw, raw_len, encoder->packed);

	*header = (struct block_header){ .magic = BLOCK_MAGIC, .raw_len = raw_len };
	header->codec = packed_len ? BLOCK_PACKED : BLOCK_ZLIB;
	header->stored_len =
		packed_len ? compress_payload(encoder, encoder->packed, packed_len, raw_len)
			   : compress_payload(encoder, raw, raw_len, raw_len);
	if (!header->stored_len)
		return block_encoder__store(encoder, raw, raw_len, block);
	return seal(encoder, block);
}

struct block_decoder *block_decoder__new(bool foreign)
{
	struct block_decoder *decoder = xcalloc(1, sizeof(*decoder));

	decoder->foreign = foreign;
	decoder->pack = pack__new();
	pack__set_foreign(decoder->pack, foreign);
	require(inflateInit(&decoder->inflate));
	return decoder;
}

void block_decoder__free(struct block_decoder *decoder)
{
	if (!decoder)
		return;
	inflateEnd(&decoder->inflate);
	pack__free(decoder->pack);
	free(decoder);
}

void block__swap_header(struct block_header *header)
{
	swap__fields(header, sizeof(*header), "44448");
}

bool block__header_valid(const struct block_header *header)
{
	return header->magic == BLOCK_MAGIC && header->raw_len && header->raw_len % 8 == 0 &&
	       header->raw_len <= BLOCK_MAX_RAW && header->stored_len &&
	       header->stored_len <= header->raw_len;
}

/* Inflates into room bytes and no more. Returns how many there were; 0: damage. */
static size_t inflate_all(struct block_decoder *decoder, const void *stored, uint32_t stored_len,
			  void *to, uint32_t room)
{
	z_stream *stream = &decoder->inflate;

	inflateReset(stream);
	stream->next_in = (z_const Bytef *)stored;
	stream->avail_in = stored_len;
	stream->next_out = to;
	stream->avail_out = room;
	if (inflate(stream, Z_FINISH) != Z_STREAM_END || stream->avail_in)
		return 0;
	return room - stream->avail_out;
}

/* pack__unpack sees to the byte order itself: what it unpacks is made of numbers. */
static bool decode(struct block_decoder *decoder, const struct block_header *header,
		   const void *stored, void *raw)
{
	uint32_t raw_len = header->raw_len, stored_len = header->stored_len;
	size_t packed_len;

	switch (header->codec) {
	case BLOCK_STORED:
		memcpy(raw, stored, min(stored_len, raw_len));
		return stored_len == raw_len;
	case BLOCK_ZLIB:
		return inflate_all(decoder, stored, stored_len, raw, raw_len) == raw_len;
	case BLOCK_PACKED:
		packed_len = inflate_all(decoder, stored, stored_len, decoder->packed, raw_len);
		return packed_len &&
		       pack__unpack(decoder->pack, decoder->packed, packed_len, raw, raw_len);
	default:
		return false;
	}
}

int block_decoder__decode(struct block_decoder *decoder, const struct block_header *header,
			  const void *stored, void *raw)
{
	struct block_header in_file = *header;

	if (decoder->foreign)
		block__swap_header(&in_file);
	if (header->checksum != checksum(&in_file, header->stored_len, stored))
		return -EBADMSG;
	if (!decode(decoder, header, stored, raw))
		return -EBADMSG;
	if (decoder->foreign && header->codec != BLOCK_PACKED)
		swap__records(raw, header->raw_len);
	return 0;
}
