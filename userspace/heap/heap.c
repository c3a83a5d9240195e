// SPDX-License-Identifier: BSD-2-Clause
#include "heap/heap.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/util.h"
#include "heap/blocks.h"
#include "wire.h"

/* A realloc that has begun: at most one a thread. */
struct flight {
	struct heap_block old; /* addr 0: a block the model does not know */
	uint32_t tid;
};

struct heap {
	struct heap_totals totals;
	struct blocks *blocks;
	struct flight *flights;
	size_t nr_flights, flight_capacity;
	struct hmap flight_of_tid; /* tid -> index into flights */
};

struct heap *heap__new(void)
{
	struct heap *heap = xcalloc(1, sizeof(*heap));

	heap->blocks = blocks__new();
	return heap;
}

static void clear(struct heap *heap)
{
	blocks__free(heap->blocks);
	free(heap->flights);
	hmap__clear(&heap->flight_of_tid);
	*heap = (struct heap){ 0 };
}

void heap__free(struct heap *heap)
{
	if (!heap)
		return;
	clear(heap);
	free(heap);
}

void heap__reset(struct heap *heap)
{
	clear(heap);
	heap->blocks = blocks__new();
}

static void leave_live(struct heap *heap, const struct heap_block *block)
{
	/* There is a peak before a block goes only; not to look when one comes saves a store. */
	if (heap->totals.live_blocks > heap->totals.peak_blocks)
		heap->totals.peak_blocks = heap->totals.live_blocks;
	heap->totals.live_blocks--;
	heap->totals.live_bytes -= block->bytes;
}

static void count_free(struct heap *heap, const struct heap_block *block)
{
	if (!block->addr) {
		heap->totals.unknown_frees++;
		return;
	}
	heap->totals.frees++;
	leave_live(heap, block);
}

static void count_replaced(struct heap *heap, const struct heap_block *block)
{
	heap->totals.replaced_blocks++;
	leave_live(heap, block);
}

static void add_block(struct heap *heap, const struct wire_alloc *record)
{
	struct heap_totals *totals = &heap->totals;
	struct heap_block replaced, block = {
		.addr = record->addr,
		.bytes = record->bytes,
		.time_ns = record->time_ns,
		.stack = record->stack,
		.func = record->func,
	};

	/* Out before in: the peak must not see both. */
	if (blocks__add(heap->blocks, &block, &replaced))
		count_replaced(heap, &replaced);
	totals->allocations++;
	totals->allocated_bytes += block.bytes;
	totals->live_blocks++;
	totals->live_bytes += block.bytes;
	totals->peak_bytes = max(totals->peak_bytes, totals->live_bytes);
}

/* Gives an old block its address back, unless another block has got it meanwhile. */
static void put_back(struct heap *heap, const struct heap_block *old)
{
	struct heap_block newer, again;

	if (!old->addr || !blocks__add(heap->blocks, old, &newer))
		return;
	blocks__add(heap->blocks, &newer, &again);
	count_replaced(heap, old);
}

struct heap *heap__copy(const struct heap *heap)
{
	struct heap *copy = xcalloc(1, sizeof(*copy));
	struct heap_totals *totals = &copy->totals;

	*totals = heap->totals;
	copy->blocks = blocks__copy(heap->blocks);
	for (size_t i = 0; i < heap->nr_flights; i++)
		put_back(copy, &heap->flights[i].old);
	totals->inherited_allocations = totals->allocations;
	totals->inherited_blocks = totals->peak_blocks = totals->live_blocks;
	totals->inherited_bytes = totals->peak_bytes = totals->live_bytes;
	return copy;
}

static void begin_flight(struct heap *heap, uint32_t tid, const struct heap_block *old)
{
	heap->flights = array__grow(heap->flights, heap->nr_flights, &heap->flight_capacity,
				    sizeof(*heap->flights));
	heap->flights[heap->nr_flights] = (struct flight){ .old = *old, .tid = tid };
	hmap__set(&heap->flight_of_tid, tid, heap->nr_flights++);
}

/* The old block of the realloc that tid has begun; addr 0 where it or its beginning is unknown. */
static struct heap_block end_flight(struct heap *heap, uint32_t tid)
{
	uint64_t *found = hmap__find(&heap->flight_of_tid, tid);
	struct flight *flight, ended = { 0 };

	if (!found)
		return ended.old;
	flight = &heap->flights[*found];
	ended = *flight;
	*flight = heap->flights[--heap->nr_flights];
	hmap__set(&heap->flight_of_tid, flight->tid, *found);
	hmap__delete(&heap->flight_of_tid, tid);
	return ended.old;
}

/* A thread that does something else has left its realloc without an end (longjmp out of a signal
 * handler): the block is taken to be where it was. */
static void abandon_flight(struct heap *heap, uint32_t tid)
{
	struct heap_block old;

	if (!heap->nr_flights)
		return;
	old = end_flight(heap, tid);
	put_back(heap, &old);
}

void heap__alloc(struct heap *heap, const struct wire_alloc *record)
{
	bool is_realloc = record->flags & WIRE_ALLOC_REALLOC;
	bool failed = !record->addr && (record->bytes || !is_realloc);
	struct heap_block old = { 0 };

	heap->totals.last_ns = max(heap->totals.last_ns, record->time_ns);
	if (is_realloc)
		old = end_flight(heap, record->tid);
	else
		abandon_flight(heap, record->tid);
	if (failed) {
		heap->totals.failed_allocations++;
		put_back(heap, &old);
		return;
	}
	if (is_realloc)
		count_free(heap, &old);
	if (record->addr)
		add_block(heap, record);
}

void heap__release(struct heap *heap, const struct wire_free *record)
{
	struct heap_block block = { 0 };

	heap->totals.last_ns = max(heap->totals.last_ns, record->time_ns);
	abandon_flight(heap, record->tid);
	blocks__take(heap->blocks, record->addr, &block);
	if (record->flags & WIRE_FREE_REALLOC)
		begin_flight(heap, record->tid, &block);
	else
		count_free(heap, &block);
}

const struct heap_totals *heap__totals(const struct heap *heap)
{
	return &heap->totals;
}

void heap__for_each(const struct heap *heap,
		    void (*visit)(const struct heap_block *block, void *data), void *data)
{
	blocks__for_each(heap->blocks, visit, data);
	for (size_t i = 0; i < heap->nr_flights; i++)
		if (heap->flights[i].old.addr)
			visit(&heap->flights[i].old, data);
}

size_t heap__memory_bytes(const struct heap *heap)
{
	return sizeof(*heap) + blocks__memory_bytes(heap->blocks) +
	       heap->flight_capacity * sizeof(*heap->flights) +
	       heap->flight_of_tid.capacity * 3 * sizeof(uint64_t);
}
