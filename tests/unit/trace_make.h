/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes recordings that heaptap's own writer does not write here: of the other byte order, with a
 * codec of the test's choice, with an index that lies.
 */
#ifndef TRACE_MAKE_H
#define TRACE_MAKE_H

#include <stdlib.h>
#include <zlib.h>

#include "base/hash.h"
#include "trace/block.h"
#include "trace/index.h"
#include "trace/pack.h"
#include "trace/swap.h"
#include "trace_fixture.h"

struct recipe {
	bool foreign;
	uint32_t codec;
	unsigned flush_every; /* a block ends behind that many records */
	bool no_index;
	/* Changes the index before it is written. */
	void (*spoil)(struct trace_index *index, struct wire_footer *footer);
};

struct made {
	char *data;
	size_t len;
};

static inline void put_bytes(struct made *made, const void *bytes, size_t len)
{
	made->data = xreallocarray(made->data, made->len + len, 1);
	memcpy(made->data + made->len, bytes, len);
	made->len += len;
}

/* The opposite of what a reader does with records of the other byte order. */
static inline size_t flip_record(void *record, size_t available)
{
	struct wire_head *head = record;
	size_t size = head->size;

	swap__body(head, available);
	swap__head(head);
	return size;
}

static inline void flip_records(void *records, size_t len)
{
	for (size_t at = 0; at < len;)
		at += flip_record((char *)records + at, len - at);
}

/* The same with what pack__pack made of records. */
static inline void flip_packed(uint8_t *packed)
{
	uint32_t lengths[13];
	uint8_t *at = packed + sizeof(lengths);

	memcpy(lengths, packed, sizeof(lengths));
	for (uint8_t *t = at + lengths[0]; t < at + lengths[0] + lengths[1];) {
		struct wire_alloc template; /* the longest of them */
		size_t size;

		memcpy(&template.head, t, sizeof(template.head));
		size = template.head.type == WIRE_ALLOC	 ? sizeof(struct wire_alloc)
		       : template.head.type == WIRE_FREE ? sizeof(struct wire_free)
							 : sizeof(struct wire_stack);
		memcpy(&template, t, size);
		flip_record(&template, size);
		memcpy(t, &template, size);
		t += size;
	}
	at += lengths[0] + lengths[1];
	for (uint8_t *t = at; t < at + lengths[2];) {
		struct wire_head head, *copy;

		memcpy(&head, t, sizeof(head));
		copy = xmalloc(head.size);
		memcpy(copy, t, head.size);
		flip_record(copy, head.size);
		memcpy(t, copy, head.size);
		free(copy);
		t += head.size;
	}
	for (int i = 0; i < 13; i++)
		lengths[i] = __builtin_bswap32(lengths[i]);
	memcpy(packed, lengths, sizeof(lengths));
}

/* What a block with these records stores, for the codec that is possible. */
static inline size_t make_payload(const struct recipe *recipe, const void *raw, uint32_t raw_len,
				  uint32_t *codec, uint8_t *payload)
{
	static struct pack *pack;
	uint64_t *copy = xmalloc(raw_len);
	size_t len = raw_len;
	uLongf stored_len = raw_len;

	if (!pack)
		pack = pack__new();
	memcpy(copy, raw, raw_len);
	if (*codec == BLOCK_PACKED)
		len = pack__pack(pack, raw, raw_len, copy);
	if (len && *codec == BLOCK_PACKED && recipe->foreign)
		flip_packed((uint8_t *)copy);
	if (recipe->foreign && *codec != BLOCK_PACKED)
		flip_records(copy, raw_len);
	if (*codec == BLOCK_STORED) {
		memcpy(payload, copy, raw_len);
		free(copy);
		return raw_len;
	}
	if (!len || compress2(payload, &stored_len, (const Bytef *)copy, len, 9) != Z_OK) {
		free(copy);
		*codec = *codec == BLOCK_PACKED ? BLOCK_ZLIB : BLOCK_STORED;
		return make_payload(recipe, raw, raw_len, codec, payload);
	}
	free(copy);
	return stored_len;
}

static inline void put_block(struct made *made, const struct recipe *recipe, uint32_t codec,
			     const void *raw, uint32_t raw_len)
{
	uint8_t *bytes = xcalloc(1, 16 + raw_len);
	struct block_header header = { .magic = BLOCK_MAGIC, .raw_len = raw_len };
	uint32_t stored_len;

	header.stored_len = stored_len =
		(uint32_t)make_payload(recipe, raw, raw_len, &codec, bytes + 16);
	header.codec = codec;
	if (recipe->foreign)
		block__swap_header(&header);
	memcpy(bytes, &header, 16);
	header.checksum = hash__bytes(bytes, 16 + stored_len);
	if (recipe->foreign)
		header.checksum = __builtin_bswap64(header.checksum);
	put_bytes(made, &header, sizeof(header));
	put_bytes(made, bytes + 16, stored_len);
	free(bytes);
}

static inline void put_header(struct made *made, bool foreign, uint8_t address_size)
{
	struct trace_header header;

	header__fill(&header);
	header.address_size = address_size;
	if (foreign)
		swap__fields(&header, sizeof(header), "11111111224112444888");
	header.checksum = hash__bytes(&header, offsetof(struct trace_header, checksum));
	if (foreign)
		header.checksum = __builtin_bswap64(header.checksum);
	put_bytes(made, &header, sizeof(header));
}

static inline void put_index(struct made *made, const struct recipe *recipe,
			     struct trace_index *index)
{
	struct wire_footer footer;
	struct wire_index *records;

	index->end = made->len;
	footer = trace_index__footer(index);
	if (recipe->spoil)
		recipe->spoil(index, &footer);
	records = xcalloc(index->nr_blocks + 1, sizeof(*records));
	for (size_t i = 0; i < index->nr_blocks; i++)
		records[i] = trace_index__record(&index->blocks[i]);
	if (index->nr_blocks)
		put_block(made, recipe, BLOCK_ZLIB, records,
			  (uint32_t)(index->nr_blocks * sizeof(*records)));
	put_block(made, recipe, BLOCK_STORED, &footer, sizeof(footer));
	free(records);
}

static inline struct made make_recording(const struct stream *stream, const struct recipe *recipe)
{
	const char *bytes = (const char *)stream->words;
	struct trace_index_block block = { 0 };
	struct trace_index index = { 0 };
	struct made made = { 0 };
	size_t from = 0;
	unsigned nr = 0;

	put_header(&made, recipe->foreign, recipe->foreign ? 4 : 8);
	for (size_t at = 0; at < stream->used;) {
		const struct wire_head *head = (const void *)(bytes + at);

		trace_index__note(&block, head);
		at += head->size;
		if (++nr % recipe->flush_every && at < stream->used)
			continue;
		block.offset = made.len;
		trace_index__add(&index, &block);
		block = (struct trace_index_block){ 0 };
		put_block(&made, recipe, recipe->codec, bytes + from, (uint32_t)(at - from));
		from = at;
	}
	if (!recipe->no_index)
		put_index(&made, recipe, &index);
	trace_index__clear(&index);
	return made;
}

#endif /* TRACE_MAKE_H */
