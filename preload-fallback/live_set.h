/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of the program's blocks are samples: a set of addresses in bounded memory, without a lock,
 * for any thread and signal handler. An address is in the hands of one thread at a time, as the
 * block is, and that thread alone adds or removes it.
 *
 * Every free asks, and nearly every answer is no: that is one look at a small table, which has for
 * each of so many groups of addresses how many of the group are in the set. Until there is a set
 * it says of every address that it may be in it.
 */
#ifndef PRELOAD_LIVE_SET_H
#define PRELOAD_LIVE_SET_H

#include <stdbool.h>
#include <stdint.h>

#define LIVE_SET_GROUPS 4096u
/* A group that has none in the set. */
#define LIVE_SET_NONE 255u

extern uint8_t live_set_groups[LIVE_SET_GROUPS] __attribute__((visibility("hidden")));

static inline uint32_t live_set__group(const void *block)
{
	return (uint32_t)((uintptr_t)block >> 4) * 0x9e3779b1u >> 20;
}

/* False: it is not in the set. */
static inline bool live_set__may_have(const void *block)
{
	return __atomic_load_n(&live_set_groups[live_set__group(block)], __ATOMIC_RELAXED) !=
	       LIVE_SET_NONE;
}

/* Begins an empty set in `bytes` bytes of zeroed memory, a power of two of at least 128, aligned to
 * 64. */
void live_set__init(void *memory, uint32_t bytes);

/* Is there one? */
bool live_set__exists(void);

/* Forgets all, in a forked child. */
void live_set__clear(void);

bool live_set__has(const void *block);

/* False: there is no room. What is in it already, as its free was not seen, is there once. */
bool live_set__add(const void *block);

/* False: it was not in it. */
bool live_set__remove(const void *block);

/*
 * The block is about to be resized. While the allocator does that, its address may become another
 * thread's block, which is another; but if it is left by a jump the block is what it was, and in
 * the set. False: it is not in it.
 */
bool live_set__begin_resize(const void *block);
/* It was, and there is a block of this address no more; or it was not. */
void live_set__end_resize(const void *block, bool gone);

/* From now on live_set__may_have is true of this address, which need not be in the set. */
void live_set__pin(const void *block);

#endif /* PRELOAD_LIVE_SET_H */
