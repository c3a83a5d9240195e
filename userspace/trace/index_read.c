// SPDX-License-Identifier: BSD-2-Clause
/* Finding the index of a recording that a stranger wrote: trace_index__read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "trace/block.h"
#include "trace/header.h"
#include "trace/index.h"
#include "trace/record.h"
#include "wire.h"

/* The last block: the footer, as it is. */
#define FOOTER_BLOCK_SIZE (sizeof(struct block_header) + sizeof(struct wire_footer))

struct search {
	int fd;
	uint64_t start;	 /* of the recording, in the file */
	uint64_t size;	 /* of the recording */
	uint64_t footer; /* offset of its block */
	struct trace_start header;
	struct block_decoder *decoder;
	uint64_t records[BLOCK_MAX_RAW / sizeof(uint64_t)];
	uint8_t stored[BLOCK_MAX_RAW];
};

static bool read_at(const struct search *search, uint64_t offset, void *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t now = pread(search->fd, (char *)data + got, len - got,
				    (off_t)(search->start + offset + got));

		if (!now || (now < 0 && errno != EINTR))
			return false;
		if (now > 0)
			got += (size_t)now;
	}
	return true;
}

/* Decodes the block at an offset, which must end at `end` or before. Its length; 0: it is none. */
static uint64_t read_block(struct search *search, uint64_t offset, uint64_t end,
			   struct block_header *header)
{
	uint64_t room = end - offset;

	if (room < sizeof(*header) || !read_at(search, offset, header, sizeof(*header)))
		return 0;
	if (search->header.foreign)
		block__swap_header(header);
	if (!block__header_valid(header) || header->stored_len > room - sizeof(*header) ||
	    !read_at(search, offset + sizeof(*header), search->stored, header->stored_len) ||
	    block_decoder__decode(search->decoder, header, search->stored, search->records))
		return 0;
	return sizeof(*header) + header->stored_len;
}

/* May a block begin at `offset` and end at `end`? */
static bool may_be_block(uint64_t offset, uint64_t end)
{
	return end > offset && end - offset > sizeof(struct block_header) &&
	       end - offset <= sizeof(struct block_header) + BLOCK_MAX_RAW;
}

/* The summary of a block must fit the one before: blocks follow each other without gaps. */
static bool add_summary(struct search *search, struct trace_index *index,
			const struct wire_index *record)
{
	struct trace_index_block block = {
		.offset = record->offset,
		.first_ns = record->first_ns,
		.last_ns = record->last_ns,
		.kinds = record->kinds,
		.nr_events = record->nr_events,
	};

	if (index->nr_blocks == TRACE_INDEX_MAX_BLOCKS || block.offset >= index->end ||
	    block.first_ns > block.last_ns)
		return false;
	if (index->nr_blocks
		    ? !may_be_block(index->blocks[index->nr_blocks - 1].offset, block.offset)
		    : block.offset != search->header.header_size)
		return false;
	trace_index__add(index, &block);
	return true;
}

/* The summaries in the block that was just decoded. */
static bool add_summaries(struct search *search, struct trace_index *index, uint32_t len)
{
	for (uint32_t at = 0; at < len;) {
		const struct wire_head *head = (void *)((char *)search->records + at);

		if (!record__valid(head, len - at) || head->type != WIRE_INDEX ||
		    !add_summary(search, index, (const struct wire_index *)head))
			return false;
		at += head->size;
	}
	return true;
}

static bool read_footer(struct search *search, struct wire_footer *footer)
{
	struct block_header header;

	if (search->size < search->header.header_size + FOOTER_BLOCK_SIZE)
		return false;
	search->footer = search->size - FOOTER_BLOCK_SIZE;
	if (!read_block(search, search->footer, search->size, &header) ||
	    header.codec != BLOCK_STORED || header.raw_len != sizeof(*footer))
		return false;
	memcpy(footer, search->records, sizeof(*footer));
	return footer->head.type == WIRE_FOOTER && footer->head.size == sizeof(*footer) &&
	       footer->index_offset >= search->header.header_size &&
	       footer->index_offset <= search->footer;
}

static bool read_index(struct search *search, struct trace_index *index)
{
	struct block_header header;
	struct wire_footer footer, sum;
	uint64_t at, len;

	if (!read_footer(search, &footer))
		return false;
	index->end = footer.index_offset;
	for (at = footer.index_offset; at < search->footer; at += len) {
		len = read_block(search, at, search->footer, &header);
		if (!len || !add_summaries(search, index, header.raw_len))
			return false;
	}
	if (index->nr_blocks ? !may_be_block(index->blocks[index->nr_blocks - 1].offset, index->end)
			     : index->end != search->header.header_size)
		return false;
	sum = trace_index__footer(index);
	return !memcmp(&sum.index_offset, &footer.index_offset,
		       sizeof(sum) - offsetof(struct wire_footer, index_offset));
}

/* Of what is a recording at all. */
static bool open_recording(struct search *search)
{
	char start[HEADER_START_SIZE];
	const char *reason;
	struct stat stat;

	if (fstat(search->fd, &stat) || !S_ISREG(stat.st_mode) ||
	    (uint64_t)stat.st_size < search->start)
		return false;
	search->size = (uint64_t)stat.st_size - search->start;
	return read_at(search, 0, start, sizeof(start)) &&
	       !header__check_start(start, sizeof(start), &search->header, &reason);
}

struct trace_index *trace_index__read(int fd, uint64_t start)
{
	struct search *search = xcalloc(1, sizeof(*search));
	struct trace_index *index = xcalloc(1, sizeof(*index));
	bool good;

	search->fd = fd;
	search->start = start;
	good = open_recording(search);
	if (good) {
		search->decoder = block_decoder__new(search->header.foreign);
		good = read_index(search, index);
		block_decoder__free(search->decoder);
	}
	free(search);
	if (good)
		return index;
	trace_index__free(index);
	return NULL;
}
