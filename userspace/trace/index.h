/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The index at the end of a recording: what each of its blocks holds. The writer keeps one while it
 * writes; a reader of a file may find it by the footer. A recording that was cut has none.
 */
#ifndef TRACE_INDEX_H
#define TRACE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_footer;
struct wire_head;
struct wire_index;

/* More blocks than this are not believed: of 256 KiB each they hold 1 TiB of records. */
#define TRACE_INDEX_MAX_BLOCKS (4u << 20)

/* What is in one block. Offsets count from the start of the recording's header. */
struct trace_index_block {
	uint64_t offset;
	uint64_t first_ns, last_ns; /* of its events; 0 where it has none */
	uint64_t kinds;		    /* bits of the types of its records, see wire_index */
	uint32_t nr_events;
};

struct trace_index {
	struct trace_index_block *blocks; /* in the order of their offsets, without gaps */
	size_t nr_blocks, capacity;
	uint64_t nr_events;
	uint64_t first_ns, last_ns;
	uint64_t end; /* offset behind the last of them */
};

/*
 * Reads the index of the recording whose header is at byte start of fd; reads with pread only, so
 * the position stays. NULL where there is none, where fd is no regular file, or where anything in
 * it is not as a writer writes it: then the recording is to be read as if it had none.
 */
struct trace_index *trace_index__read(int fd, uint64_t start);
void trace_index__free(struct trace_index *index);

/* Has the block only allocations and frees? */
bool trace_index__only_events(const struct trace_index_block *block);

/* Notes a record in the summary of its block, which begins as 0. */
void trace_index__note(struct trace_index_block *block, const struct wire_head *record);
/* Appends a block's summary. */
void trace_index__add(struct trace_index *index, const struct trace_index_block *block);
/* The records of it. */
struct wire_index trace_index__record(const struct trace_index_block *block);
struct wire_footer trace_index__footer(const struct trace_index *index);
/* Empties it, but does not free it. */
void trace_index__clear(struct trace_index *index);

#endif /* TRACE_INDEX_H */
