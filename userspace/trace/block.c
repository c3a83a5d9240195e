// SPDX-License-Identifier: BSD-2-Clause
#include "trace/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/util.h"

/* Fast: the writer must keep up with the watched program. */
#define ZLIB_LEVEL 1

struct block_encoder {
	z_stream deflate;
	struct block_header header; /* directly before its payload */
	uint8_t payload[BLOCK_MAX_RAW];
};

struct block_decoder {
	z_stream inflate;
};

static uint64_t checksum(const struct block_header *header, const void *stored)
{
	XXH3_state_t state;

	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, header, offsetof(struct block_header, checksum));
	XXH3_64bits_update(&state, stored, header->stored_len);
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

	require(deflateInit(&encoder->deflate, ZLIB_LEVEL));
	return encoder;
}

void block_encoder__free(struct block_encoder *encoder)
{
	if (!encoder)
		return;
	deflateEnd(&encoder->deflate);
	free(encoder);
}

/* The length of the zlib stream in payload; 0 where it would not be shorter than raw. */
static uint32_t compress_payload(struct block_encoder *encoder, const void *raw, uint32_t raw_len)
{
	z_stream *stream = &encoder->deflate;

	deflateReset(stream);
	stream->next_in = (z_const Bytef *)raw;
	stream->avail_in = raw_len;
	stream->next_out = encoder->payload;
	stream->avail_out = raw_len - 1;
	return deflate(stream, Z_FINISH) == Z_STREAM_END ? (uint32_t)stream->total_out : 0;
}

size_t block_encoder__encode(struct block_encoder *encoder, const void *raw, uint32_t raw_len,
			     const void **block)
{
	struct block_header *header = &encoder->header;

	*header = (struct block_header){
		.magic = BLOCK_MAGIC,
		.raw_len = raw_len,
		.stored_len = compress_payload(encoder, raw, raw_len),
		.codec = BLOCK_ZLIB,
	};
	if (!header->stored_len) {
		header->codec = BLOCK_STORED;
		header->stored_len = raw_len;
		memcpy(encoder->payload, raw, raw_len);
	}
	header->checksum = checksum(header, encoder->payload);
	*block = header;
	return sizeof(*header) + header->stored_len;
}

struct block_decoder *block_decoder__new(void)
{
	struct block_decoder *decoder = xcalloc(1, sizeof(*decoder));

	require(inflateInit(&decoder->inflate));
	return decoder;
}

void block_decoder__free(struct block_decoder *decoder)
{
	if (!decoder)
		return;
	inflateEnd(&decoder->inflate);
	free(decoder);
}

bool block__header_valid(const struct block_header *header)
{
	return header->magic == BLOCK_MAGIC && header->raw_len && header->raw_len % 8 == 0 &&
	       header->raw_len <= BLOCK_MAX_RAW && header->stored_len &&
	       header->stored_len <= header->raw_len;
}

/* Inflates into raw_len bytes and no more. */
static bool inflate_all(struct block_decoder *decoder, const struct block_header *header,
			const void *stored, void *raw)
{
	z_stream *stream = &decoder->inflate;

	inflateReset(stream);
	stream->next_in = (z_const Bytef *)stored;
	stream->avail_in = header->stored_len;
	stream->next_out = raw;
	stream->avail_out = header->raw_len;
	return inflate(stream, Z_FINISH) == Z_STREAM_END && !stream->avail_in && !stream->avail_out;
}

int block_decoder__decode(struct block_decoder *decoder, const struct block_header *header,
			  const void *stored, void *raw)
{
	if (header->checksum != checksum(header, stored))
		return -EBADMSG;
	switch (header->codec) {
	case BLOCK_STORED:
		if (header->stored_len != header->raw_len)
			return -EBADMSG;
		memcpy(raw, stored, header->raw_len);
		return 0;
	case BLOCK_ZLIB:
		return inflate_all(decoder, header, stored, raw) ? 0 : -EBADMSG;
	default:
		return -EBADMSG;
	}
}
