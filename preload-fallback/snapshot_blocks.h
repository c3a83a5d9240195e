/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The blocks that are live, each with its size and the id of its stack: a bounded table in parts,
 * each under a spin lock of its own. A thread may be thrown out of it, by a longjmp of a signal
 * handler: it is told so, or others find out.
 */
#ifndef PRELOAD_SNAPSHOT_BLOCKS_H
#define PRELOAD_SNAPSHOT_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#define SNAPSHOT_PARTS 64u

struct live_block {
	uintptr_t addr; /* 0: none */
	uintptr_t bytes;
	uint32_t stack;
};

struct live_part {
	uint32_t locked;
	uint32_t broken; /* who had the lock never came back: this part is given up */
	uint32_t nr;
};

struct live_blocks {
	struct live_part parts[SNAPSHOT_PARTS];
	struct live_block *slots; /* nr_slots of each part, one behind the other */
	uint32_t nr_slots;
	uint32_t nr_lost; /* what could not be put in */
};

/* Takes zeroed memory, aligned to 8. */
void live_blocks__init(struct live_blocks *blocks, void *memory, uint32_t bytes);

/* May wait for other threads; patient: longer than for a moment. Where that is in vain, or there is
 * no room, nr_lost grows. Of two blocks at one address the later is there. */
void live_blocks__add(struct live_blocks *blocks, const struct live_block *block, bool patient);
/* False: it is not there. */
bool live_blocks__take(struct live_blocks *blocks, uintptr_t addr, struct live_block *taken,
		       bool patient);

/* Calls visit for all there are at one moment, in which no other thread gets in. */
void live_blocks__each(struct live_blocks *blocks,
		       void (*visit)(const struct live_block *block, void *data), void *data);

/* This thread was thrown out of whatever it was doing. */
void live_blocks__thrown_out(struct live_blocks *blocks);
/* In a forked child: the other threads are gone, and what they had locked is not to be trusted. */
void live_blocks__forked(struct live_blocks *blocks);

#endif /* PRELOAD_SNAPSHOT_BLOCKS_H */
