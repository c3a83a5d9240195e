// SPDX-License-Identifier: BSD-2-Clause
#include "trace/index.h"

#include <stdlib.h>

#include "base/util.h"
#include "wire.h"

#define MAX_KIND_BIT 63u

bool trace_index__only_events(const struct trace_index_block *block)
{
	return !(block->kinds & ~(1ull << WIRE_ALLOC | 1ull << WIRE_FREE));
}

void trace_index__note(struct trace_index_block *block, const struct wire_head *record)
{
	uint64_t time_ns;

	block->kinds |= 1ull << min((unsigned)record->type, MAX_KIND_BIT);
	if (record->type == WIRE_ALLOC)
		time_ns = ((const struct wire_alloc *)record)->time_ns;
	else if (record->type == WIRE_FREE)
		time_ns = ((const struct wire_free *)record)->time_ns;
	else
		return;
	block->first_ns = block->nr_events ? min(block->first_ns, time_ns) : time_ns;
	block->last_ns = max(block->last_ns, time_ns);
	block->nr_events++;
}

void trace_index__add(struct trace_index *index, const struct trace_index_block *block)
{
	index->blocks = array__grow(index->blocks, index->nr_blocks, &index->capacity,
				    sizeof(*index->blocks));
	index->blocks[index->nr_blocks++] = *block;
	if (!block->nr_events)
		return;
	index->first_ns =
		index->nr_events ? min(index->first_ns, block->first_ns) : block->first_ns;
	index->last_ns = max(index->last_ns, block->last_ns);
	index->nr_events += block->nr_events;
}

struct wire_index trace_index__record(const struct trace_index_block *block)
{
	return (struct wire_index){
		.head = { .type = WIRE_INDEX, .size = sizeof(struct wire_index) },
		.offset = block->offset,
		.first_ns = block->first_ns,
		.last_ns = block->last_ns,
		.kinds = block->kinds,
		.nr_events = block->nr_events,
	};
}

struct wire_footer trace_index__footer(const struct trace_index *index)
{
	return (struct wire_footer){
		.head = { .type = WIRE_FOOTER, .size = sizeof(struct wire_footer) },
		.index_offset = index->end,
		.nr_blocks = index->nr_blocks,
		.nr_events = index->nr_events,
		.first_ns = index->first_ns,
		.last_ns = index->last_ns,
	};
}

void trace_index__clear(struct trace_index *index)
{
	free(index->blocks);
	*index = (struct trace_index){ 0 };
}

void trace_index__free(struct trace_index *index)
{
	if (!index)
		return;
	trace_index__clear(index);
	free(index);
}
