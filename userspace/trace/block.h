/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block of a recording: whole wire records, compressed and under a checksum. Knows nothing of
 * files and nothing of what the records say.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_MAGIC 0x4b4c4248u /* "HBLK" on a little-endian machine */

/* A block's records take at most this many bytes; what is stored never takes more than they do. */
#define BLOCK_MAX_RAW (1u << 20)

/* block_header.codec */
enum {
	BLOCK_STORED = 0, /* the records as they are */
	BLOCK_ZLIB = 1,	  /* one zlib stream of them */
	BLOCK_PACKED = 2, /* one zlib stream of what trace/pack.h makes of them */
};

struct block_header {
	uint32_t magic;
	uint32_t raw_len;    /* bytes of the records, a multiple of 8, not 0 */
	uint32_t stored_len; /* bytes that follow this header */
	uint32_t codec;
	uint64_t checksum; /* XXH3-64 of the four fields before it and the stored bytes */
};

_Static_assert(sizeof(struct block_header) == 24, "block layout");

struct block_encoder;

struct block_encoder *block_encoder__new(void);
/* Makes a block, header included, of raw_len bytes of records, aligned to 8. Returns its length;
 * *block lives until the next call. */
size_t block_encoder__encode(struct block_encoder *encoder, const void *raw, uint32_t raw_len,
			     const void **block);
/* The same, but the records stay as they are (BLOCK_STORED): the block's length is known before. */
size_t block_encoder__store(struct block_encoder *encoder, const void *raw, uint32_t raw_len,
			    const void **block);
void block_encoder__free(struct block_encoder *encoder);

struct block_decoder;

/* foreign: the blocks are of a machine with the other byte order. */
struct block_decoder *block_decoder__new(bool foreign);
/* Turns a header of the other byte order into one of this. */
void block__swap_header(struct block_header *header);
/* Whether a block header's lengths are in bounds. */
bool block__header_valid(const struct block_header *header);
/* Decodes the stored bytes that follow a valid header, itself in this machine's byte order, into
 * raw, which has room for raw_len bytes and is aligned to 8: records in this machine's order.
 * 0, or -EBADMSG when they are damaged. */
int block_decoder__decode(struct block_decoder *decoder, const struct block_header *header,
			  const void *stored, void *raw);
void block_decoder__free(struct block_decoder *decoder);

#endif /* BLOCK_H */
