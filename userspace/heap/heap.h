/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model of one process's heap: wire records in, live blocks and totals out. Knows no clock, no
 * files, no symbols. Records of one process must come in ring order (a free before the next
 * allocation of the same address).
 *
 * Counting follows valgrind's: a successful realloc of a live pointer is one allocation and one
 * free.
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
	uint64_t addr; /* never 0 */
	uint64_t bytes;
	uint64_t time_ns; /* of its allocation (of the last realloc) */
	uint32_t stack;	  /* as in the record */
	uint16_t func;
	uint16_t thread; /* slot (heap__tid) of who allocated it, where the heap is observed */
};

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

/* Calls visit for every live block, those in flight included, in no particular order. */
void heap__for_each(const struct heap *heap,
		    void (*visit)(const struct heap_block *block, void *data), void *data);

/* Bytes of memory the model holds, for the benchmark. */
size_t heap__memory_bytes(const struct heap *heap);

#endif /* HEAP_H */
