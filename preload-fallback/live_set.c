// SPDX-License-Identifier: BSD-2-Clause
/*
 * An address is in one of the slots of two buckets, a cache line each. Nothing is ever moved, so
 * that a search needs no lock, and finds what the same thread has put there.
 */
#include "live_set.h"

#include <stddef.h>
#include <string.h>

#define BUCKET_SLOTS 8u
/* In the slot of a block that is being resized: blocks are aligned to more. */
#define RESIZING 1u
/* A group that ever had so many is never counted down again. */
#define PINNED 0

/* Counted down from LIVE_SET_NONE, so that nothing of it is in the library's file. */
uint8_t live_set_groups[LIVE_SET_GROUPS] __attribute__((aligned(64)));

static uintptr_t *slots;
static uint32_t nr_buckets; /* a power of two */

void live_set__init(void *memory, uint32_t bytes)
{
	slots = memory;
	nr_buckets = bytes / (BUCKET_SLOTS * (uint32_t)sizeof(*slots));
	memset(live_set_groups, LIVE_SET_NONE, sizeof(live_set_groups));
}

bool live_set__exists(void)
{
	return nr_buckets;
}

void live_set__clear(void)
{
	if (!nr_buckets)
		return;
	memset(slots, 0, nr_buckets * BUCKET_SLOTS * sizeof(*slots));
	for (unsigned i = 0; i < LIVE_SET_GROUPS; i++)
		if (live_set_groups[i] != PINNED)
			live_set_groups[i] = LIVE_SET_NONE;
}

/* The first or the second bucket of an address. */
static uintptr_t *bucket(const void *block, unsigned which)
{
	uint64_t hash = ((uint64_t)(uintptr_t)block >> 4) * 0x9e3779b97f4a7c15ull;
	uint32_t number = (uint32_t)(hash >> (which ? 40 : 16));

	return slots + (number & (nr_buckets - 1)) * BUCKET_SLOTS;
}

static uintptr_t *find_in(uintptr_t *slot, uintptr_t value)
{
	for (unsigned i = 0; i < BUCKET_SLOTS; i++)
		if (__atomic_load_n(&slot[i], __ATOMIC_RELAXED) == value)
			return &slot[i];
	return NULL;
}

/* The slot of a block, with this mark; NULL: it has none. */
static uintptr_t *find(const void *block, uintptr_t mark)
{
	for (unsigned which = 0; which < 2 && nr_buckets && block; which++) {
		uintptr_t *slot = find_in(bucket(block, which), (uintptr_t)block | mark);

		if (slot)
			return slot;
	}
	return NULL;
}

/* Counts a group up or down. */
static void count(const void *block, int step)
{
	uint8_t *group = &live_set_groups[live_set__group(block)];
	uint8_t nr = __atomic_load_n(group, __ATOMIC_RELAXED);

	do {
		if (nr == PINNED)
			return;
	} while (!__atomic_compare_exchange_n(group, &nr, (uint8_t)(nr - step), true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

static unsigned nr_free(const void *block, unsigned which)
{
	const uintptr_t *slot = bucket(block, which);
	unsigned nr = 0;

	for (unsigned i = 0; i < BUCKET_SLOTS; i++)
		nr += !__atomic_load_n(&slot[i], __ATOMIC_RELAXED);
	return nr;
}

/* A free slot of the emptier of the block's buckets, so that all fill up alike; NULL. */
static uintptr_t *find_free(const void *block)
{
	unsigned first, second;

	if (!nr_buckets)
		return NULL;
	first = nr_free(block, 0);
	second = nr_free(block, 1);
	return first | second ? find_in(bucket(block, second > first), 0) : NULL;
}

bool live_set__has(const void *block)
{
	return find(block, 0) || find(block, RESIZING);
}

bool live_set__add(const void *block)
{
	uintptr_t *slot, fresh;

	if (find(block, 0))
		return true;
	count(block, 1);
	while ((slot = find_free(block))) {
		fresh = 0;
		if (__atomic_compare_exchange_n(slot, &fresh, (uintptr_t)block, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
	count(block, -1);
	return false;
}

/* Two threads that free the same block, as they should not, change it once. */
static bool change(const void *block, uintptr_t mark, uintptr_t value)
{
	uintptr_t *slot = find(block, mark), old = (uintptr_t)block | mark;

	return slot && __atomic_compare_exchange_n(slot, &old, value, false, __ATOMIC_RELAXED,
						   __ATOMIC_RELAXED);
}

bool live_set__remove(const void *block)
{
	if (!change(block, 0, 0) && !change(block, RESIZING, 0))
		return false;
	count(block, -1);
	return true;
}

bool live_set__begin_resize(const void *block)
{
	return change(block, 0, (uintptr_t)block | RESIZING) || find(block, RESIZING);
}

void live_set__end_resize(const void *block, bool gone)
{
	if (change(block, RESIZING, gone ? 0 : (uintptr_t)block) && gone)
		count(block, -1);
}

void live_set__pin(const void *block)
{
	__atomic_store_n(&live_set_groups[live_set__group(block)], PINNED, __ATOMIC_RELAXED);
}
