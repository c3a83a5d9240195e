/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model of one process's heap: wire records in, live blocks and totals out. Knows no clock, no
 * files, no symbols. Records of one process must come in ring order (a free before the next
 * allocation of the same address).
 *
 * Counting follows valgrind's: a successful realloc of a live pointer is one allocation and one
 * free.
 *
 * Where only some allocations are recorded, each record counts as often as its weight says, and its
 * bytes as often: all totals are then estimates.
 */
#ifndef HEAP_H
#define HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/event.h"

struct wire_alloc;
struct wire_free;

/* A live block: 32 bytes, kept small because there are millions. */
struct heap_block {
	uint64_t addr;	  /* never 0 */
	uint64_t size;	  /* and weight: heap_block__bytes, heap_block__weight */
	uint64_t time_ns; /* of its allocation (of the last realloc) */
	uint32_t stack;	  /* as in the record */
	uint16_t func;
	uint16_t thread; /* slot (heap__tid) of who allocated it, where the heap is observed */
};

/*
 * Size and weight share a word. Of a block of weight 1, as most are, it is the size; any other has
 * the top bit, then 31 bits of weight and 32 of size: one of 4 GiB or more always has weight 1. So
 * no product of the two is above 2^63.
 */
#define HEAP_BLOCK_WEIGHTED (1ull << 63)
#define HEAP_MAX_WEIGHT	    0x7fffffffu

static inline uint64_t heap_block__size(uint64_t bytes, uint32_t weight)
{
	if (weight <= 1 || bytes > UINT32_MAX)
		return bytes < HEAP_BLOCK_WEIGHTED ? bytes : HEAP_BLOCK_WEIGHTED - 1;
	weight = weight < HEAP_MAX_WEIGHT ? weight : HEAP_MAX_WEIGHT;
	return HEAP_BLOCK_WEIGHTED | (uint64_t)weight << 32 | bytes;
}

/* Of the block itself, whatever its weight. */
static inline uint64_t heap_block__bytes(const struct heap_block *block)
{
	return block->size & HEAP_BLOCK_WEIGHTED ? block->size & UINT32_MAX : block->size;
}

/* How many blocks it stands for, itself included. */
static inline uint32_t heap_block__weight(const struct heap_block *block)
{
	return block->size & HEAP_BLOCK_WEIGHTED ? block->size >> 32 & HEAP_MAX_WEIGHT : 1;
}

struct heap_totals {
	uint64_t allocations; /* that succeeded, reallocs included */
	uint64_t frees;	      /* of blocks the model knew, reallocs and realloc(p, 0) included */
	uint64_t failed_allocations;
	uint64_t unknown_frees;	  /* of blocks it never saw: older than the attach, or lost */
	uint64_t replaced_blocks; /* an allocation at an address still live: its free was lost */
	uint64_t allocated_bytes; /* sum over all allocations */
	uint64_t live_blocks;
	uint64_t live_bytes;
	uint64_t peak_bytes;  /* the highest live_bytes */
	uint64_t peak_blocks; /* the highest live_blocks so far, if more than there are now */
	uint64_t last_ns;     /* time of the newest record */
	/* What was when the process was forked (blocks: live then), part of the figures above. */
	uint64_t inherited_allocations;
	uint64_t inherited_blocks;
	uint64_t inherited_bytes;
};

struct heap;

struct heap *heap__new(void);
void heap__free(struct heap *heap);
/*
 * The heap of a child process at the moment of the fork: the same live blocks and the same totals,
 * but for the peak, which begins anew with what is live. Reallocs in flight have not begun for the
 * child: only the thread that forked is in it.
 */
struct heap *heap__copy(const struct heap *heap);
/* The process has replaced its image: everything is as in a new heap. */
void heap__reset(struct heap *heap);

/*
 * Are only some allocations recorded? Then nothing can be said of a free of an unknown block, and
 * it is ignored. Stays so after heap__reset, and in a copy.
 */
void heap__set_sampled(struct heap *heap, bool sampled);

/* From now on happened is called for everything that records do. A copy is not observed. */
void heap__observe(struct heap *heap, heap_event_fn happened, void *data);
/* The thread that allocated a block; 0: one of too many, or the heap was not observed then. */
uint32_t heap__tid(const struct heap *heap, const struct heap_block *block);

/*
 * A realloc is two records: from WIRE_FREE_REALLOC until the same thread's WIRE_ALLOC_REALLOC its
 * old block is in flight: it still counts as live but no longer owns its address, which another
 * thread may be given meanwhile. A failed realloc puts it back; realloc(p, 0) that returns NULL
 * frees it.
 */
void heap__alloc(struct heap *heap, const struct wire_alloc *record);
/* A record of the size of a wire_free_from is one. */
void heap__release(struct heap *heap, const struct wire_free *record);

const struct heap_totals *heap__totals(const struct heap *heap);
/* Live blocks that heap__for_each visits: not what they stand for. */
size_t heap__nr_blocks(const struct heap *heap);

/* Calls visit for every live block, those in flight included, in no particular order. */
void heap__for_each(const struct heap *heap,
		    void (*visit)(const struct heap_block *block, void *data), void *data);

/* Bytes of memory the model holds, for the benchmark. */
size_t heap__memory_bytes(const struct heap *heap);

#endif /* HEAP_H */
