// SPDX-License-Identifier: BSD-2-Clause
#include "heap/heap.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/util.h"
#include "heap/blocks.h"
#include "heap/threads.h"
#include "wire.h"

/* A realloc that has begun: at most one a thread. */
struct flight {
	struct heap_block old; /* addr 0: a block the model does not know */
	uint64_t addr;	       /* what is being reallocated; 0: its beginning was not seen */
	uint32_t tid;
};

struct heap {
	struct heap_totals totals;
	struct blocks *blocks;
	struct flight *flights;
	size_t nr_flights, flight_capacity;
	struct hmap flight_of_tid; /* tid -> index into flights */
	heap_event_fn happened;	   /* NULL: nobody observes */
	void *data;
	bool sampled;
	struct threads threads; /* kept while somebody does */
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
	threads__clear(&heap->threads);
	*heap = (struct heap){ .happened = heap->happened,
			       .data = heap->data,
			       .sampled = heap->sampled };
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

void heap__set_sampled(struct heap *heap, bool sampled)
{
	heap->sampled = sampled;
}

void heap__observe(struct heap *heap, heap_event_fn happened, void *data)
{
	heap->happened = happened;
	heap->data = data;
}

uint32_t heap__tid(const struct heap *heap, const struct heap_block *block)
{
	return threads__tid(&heap->threads, block->thread);
}

static void leave_live(struct heap *heap, const struct heap_block *block)
{
	uint64_t weight = heap_block__weight(block);

	/* There is a peak before a block goes only; not to look when one comes saves a store. */
	if (heap->totals.live_blocks > heap->totals.peak_blocks)
		heap->totals.peak_blocks = heap->totals.live_blocks;
	heap->totals.live_blocks -= weight;
	heap->totals.live_bytes -= weight * heap_block__bytes(block);
}

/* The call that is told of. */
struct call {
	uint64_t time_ns;
	uint32_t tid;
	uint32_t stack;
	uint16_t func;
	bool is_realloc;
	bool resizes; /* a realloc that leaves a block */
};

static struct call alloc_call(const struct wire_alloc *record)
{
	return (struct call){ .time_ns = record->time_ns,
			      .tid = record->tid,
			      .stack = record->stack,
			      .func = record->func,
			      .is_realloc = record->flags & WIRE_ALLOC_REALLOC,
			      .resizes = record->flags & WIRE_ALLOC_REALLOC && record->addr };
}

/* event has what is its kind's own. */
static void tell(struct heap *heap, const struct call *call, struct heap_event *event)
{
	event->by_realloc = call->is_realloc;
	event->func = call->func;
	event->tid = call->tid;
	event->stack = call->stack;
	event->time_ns = call->time_ns;
	heap->happened(event, heap->data);
}

/* What a block has for its own. */
static void tell_of_block(struct heap *heap, const struct heap_block *block,
			  const struct call *call, struct heap_event *event)
{
	event->addr = block->addr;
	event->bytes = heap_block__bytes(block);
	event->weight = heap_block__weight(block);
	event->block = block;
	tell(heap, call, event);
}

static bool is_temporary(struct heap *heap, const struct heap_block *block)
{
	struct thread *thread;

	if (block->thread >= heap->threads.nr || block->thread == THREADS_OTHER)
		return false;
	thread = &heap->threads.all[block->thread];
	if (thread->last_addr != block->addr)
		return false;
	/* The same address may come back: it is then another block. */
	thread->last_addr = 0;
	return true;
}

static void tell_of_death(struct heap *heap, const struct heap_block *block,
			  const struct call *call)
{
	/* In a sample, a realloc to nothing mostly is one to a block that was not recorded. */
	bool goes_on = call->resizes || (call->is_realloc && heap->sampled);

	tell_of_block(heap, block, call,
		      &(struct heap_event){ .kind = HEAP_DIED,
					    .temporary = !goes_on && is_temporary(heap, block) });
}

/* addr: what was to be freed. */
static void count_free(struct heap *heap, const struct heap_block *block, uint64_t addr,
		       const struct call *call)
{
	if (!block->addr) {
		if (heap->sampled)
			return;
		heap->totals.unknown_frees++;
		if (heap->happened)
			tell(heap, call,
			     &(struct heap_event){
				     .kind = HEAP_UNKNOWN, .addr = addr, .weight = 1 });
		return;
	}
	heap->totals.frees += heap_block__weight(block);
	leave_live(heap, block);
	if (heap->happened)
		tell_of_death(heap, block, call);
}

static void count_replaced(struct heap *heap, const struct heap_block *block,
			   const struct call *call)
{
	heap->totals.replaced_blocks += heap_block__weight(block);
	leave_live(heap, block);
	if (heap->happened)
		tell_of_block(heap, block, call, &(struct heap_event){ .kind = HEAP_REPLACED });
}

static void tell_of_birth(struct heap *heap, const struct heap_block *block,
			  const struct heap_block *old, const struct call *call)
{
	heap->threads.all[block->thread].last_addr = block->addr;
	tell_of_block(heap, block, call,
		      &(struct heap_event){ .kind = HEAP_BORN, .old = old->addr ? old : NULL });
}

static void add_block(struct heap *heap, const struct wire_alloc *record,
		      const struct heap_block *old)
{
	struct heap_totals *totals = &heap->totals;
	struct call call = alloc_call(record);
	struct heap_block replaced, block = {
		.addr = record->addr,
		.size = heap_block__size(record->bytes, record->weight),
		.time_ns = record->time_ns,
		.stack = record->stack,
		.func = record->func,
	};
	uint64_t weight = heap_block__weight(&block), bytes = weight * heap_block__bytes(&block);

	if (heap->happened)
		block.thread = threads__slot(&heap->threads, record->tid);
	/* Out before in: the peak must not see both. */
	if (blocks__add(heap->blocks, &block, &replaced))
		count_replaced(heap, &replaced, &call);
	totals->allocations += weight;
	totals->allocated_bytes += bytes;
	totals->live_blocks += weight;
	totals->live_bytes += bytes;
	totals->peak_bytes = max(totals->peak_bytes, totals->live_bytes);
	if (heap->happened)
		tell_of_birth(heap, &block, old, &call);
}

/* Gives an old block its address back, unless another block has got it meanwhile. */
static void put_back(struct heap *heap, const struct heap_block *old, const struct call *call)
{
	struct heap_block newer, again;

	if (!old->addr || !blocks__add(heap->blocks, old, &newer))
		return;
	blocks__add(heap->blocks, &newer, &again);
	count_replaced(heap, old, call);
}

struct heap *heap__copy(const struct heap *heap)
{
	struct heap *copy = xcalloc(1, sizeof(*copy));
	struct heap_totals *totals = &copy->totals;

	*totals = heap->totals;
	copy->sampled = heap->sampled;
	copy->blocks = blocks__copy(heap->blocks);
	copy->threads = threads__copy(&heap->threads);
	/* Nobody observes the copy yet. */
	for (size_t i = 0; i < heap->nr_flights; i++)
		put_back(copy, &heap->flights[i].old, NULL);
	totals->inherited_allocations = totals->allocations;
	totals->inherited_blocks = totals->peak_blocks = totals->live_blocks;
	totals->inherited_bytes = totals->peak_bytes = totals->live_bytes;
	return copy;
}

static void begin_flight(struct heap *heap, const struct wire_free *record,
			 const struct heap_block *old)
{
	heap->flights = array__grow(heap->flights, heap->nr_flights, &heap->flight_capacity,
				    sizeof(*heap->flights));
	heap->flights[heap->nr_flights] =
		(struct flight){ .old = *old, .addr = record->addr, .tid = record->tid };
	hmap__set(&heap->flight_of_tid, record->tid, heap->nr_flights++);
}

/* The realloc that tid has begun; its addr is 0 where the beginning is unknown. */
static struct flight end_flight(struct heap *heap, uint32_t tid)
{
	uint64_t *found = hmap__find(&heap->flight_of_tid, tid);
	struct flight *flight, ended = { 0 };

	if (!found)
		return ended;
	flight = &heap->flights[*found];
	ended = *flight;
	*flight = heap->flights[--heap->nr_flights];
	hmap__set(&heap->flight_of_tid, flight->tid, *found);
	hmap__delete(&heap->flight_of_tid, tid);
	return ended;
}

/* A thread that does something else has left its realloc without an end (longjmp out of a signal
 * handler): the block is taken to be where it was. */
static void abandon_flight(struct heap *heap, const struct call *call)
{
	struct flight flight;

	if (!heap->nr_flights)
		return;
	flight = end_flight(heap, call->tid);
	put_back(heap, &flight.old, call);
}

static void fail(struct heap *heap, const struct wire_alloc *record, const struct heap_block *old)
{
	struct call call = alloc_call(record);
	const struct heap_block none = { .size = heap_block__size(record->bytes, record->weight) };
	uint32_t weight = heap_block__weight(&none);

	heap->totals.failed_allocations += weight;
	put_back(heap, old, &call);
	if (heap->happened)
		tell(heap, &call,
		     &(struct heap_event){ .kind = HEAP_FAILED,
					   .bytes = record->bytes,
					   .weight = weight,
					   .injected = record->flags & WIRE_ALLOC_INJECTED,
					   .old = old->addr ? old : NULL });
}

void heap__alloc(struct heap *heap, const struct wire_alloc *record)
{
	struct call call = alloc_call(record);
	bool failed = !record->addr && (record->bytes || !call.is_realloc);
	struct flight flight = { 0 };

	heap->totals.last_ns = max(heap->totals.last_ns, record->time_ns);
	if (call.is_realloc)
		flight = end_flight(heap, record->tid);
	else
		abandon_flight(heap, &call);
	if (failed) {
		fail(heap, record, &flight.old);
		return;
	}
	if (call.is_realloc)
		count_free(heap, &flight.old, flight.addr, &call);
	if (record->addr)
		add_block(heap, record, &flight.old);
}

static uint32_t stack_of_free(const struct wire_free *record)
{
	if (record->head.size < sizeof(struct wire_free_from))
		return 0;
	return ((const struct wire_free_from *)record)->stack;
}

void heap__release(struct heap *heap, const struct wire_free *record)
{
	struct heap_block block = { 0 };
	struct call call = { .time_ns = record->time_ns,
			     .tid = record->tid,
			     .stack = stack_of_free(record),
			     .func = record->func };

	heap->totals.last_ns = max(heap->totals.last_ns, record->time_ns);
	abandon_flight(heap, &call);
	blocks__take(heap->blocks, record->addr, &block);
	if (record->flags & WIRE_FREE_REALLOC)
		begin_flight(heap, record, &block);
	else
		count_free(heap, &block, record->addr, &call);
}

const struct heap_totals *heap__totals(const struct heap *heap)
{
	return &heap->totals;
}

size_t heap__nr_blocks(const struct heap *heap)
{
	size_t nr = blocks__count(heap->blocks);

	for (size_t i = 0; i < heap->nr_flights; i++)
		nr += heap->flights[i].old.addr != 0;
	return nr;
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
