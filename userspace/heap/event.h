/* SPDX-License-Identifier: BSD-2-Clause */
/* What a record did to a heap, for who wants more than totals: the model tells, views listen. */
#ifndef HEAP_EVENT_H
#define HEAP_EVENT_H

#include <stdbool.h>
#include <stdint.h>

struct heap_block;

enum heap_event_kind {
	HEAP_BORN,     /* a block was allocated */
	HEAP_DIED,     /* a block was freed */
	HEAP_REPLACED, /* a block is gone: its address was given out again, its free never seen */
	HEAP_FAILED,   /* an allocation failed */
	HEAP_UNKNOWN,  /* a free of an address where no known block lives */
};

struct heap_event {
	enum heap_event_kind kind;
	/* By a realloc, which is a DIED (UNKNOWN where its old block was not known) and then a
	 * BORN, both at its end; a FAILED one leaves its old block as it was. */
	bool by_realloc;
	/* DIED: its thread has allocated nothing since, and it did not go on as another block, by
	 * realloc. */
	bool temporary;
	bool injected;	 /* FAILED: on purpose, to see what the program does */
	uint16_t func;	 /* that was called */
	uint32_t tid;	 /* that called it */
	uint32_t stack;	 /* wire id, of the call; 0: not known, as of most frees */
	uint32_t weight; /* this happened so many times, by estimate; 1 where all is recorded */
	uint64_t time_ns;
	uint64_t addr;	/* of the block; UNKNOWN: of none; FAILED: 0 */
	uint64_t bytes; /* of the one block, or asked for in vain; UNKNOWN: 0 */
	/* BORN, DIED, REPLACED: it lives until the callback returns. Else NULL. */
	const struct heap_block *block;
	/* BORN by a realloc of a known block: that one, which has just DIED. FAILED: likewise, but
	 * it lives on. Else NULL. */
	const struct heap_block *old;
};

typedef void (*heap_event_fn)(const struct heap_event *event, void *data);

#endif /* HEAP_EVENT_H */
