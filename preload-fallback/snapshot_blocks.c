// SPDX-License-Identifier: BSD-2-Clause
#include "snapshot_blocks.h"

#include <stddef.h>
#include <string.h>

#include "os.h"

/* Tries before a thread sleeps between them, and how often it does, for 100 us each. */
#define NR_TRIES    200u
#define NR_NAPS	    5000u
#define NR_FEW_NAPS 2u

/* What this thread has locked. */
static __thread struct live_part *held __attribute__((tls_model("initial-exec")));

void live_blocks__init(struct live_blocks *blocks, void *memory, uint32_t bytes)
{
	memset(blocks, 0, sizeof(*blocks));
	blocks->slots = memory;
	blocks->nr_slots = bytes / (uint32_t)sizeof(*blocks->slots) / SNAPSHOT_PARTS;
}

static uint32_t hash_of(uintptr_t addr)
{
	uint32_t hash = (uint32_t)(addr >> 3) ^ (uint32_t)((uint64_t)addr >> 35) * 0x85ebca6bu;

	hash = (hash ^ hash >> 16) * 0x7feb352du;
	hash = (hash ^ hash >> 15) * 0x846ca68bu;
	return hash ^ hash >> 16;
}

/* ---- locks ------------------------------------------------------------------------------------
 */

static bool try_lock(struct live_part *part)
{
	return !__atomic_load_n(&part->locked, __ATOMIC_RELAXED) &&
	       !__atomic_exchange_n(&part->locked, 1, __ATOMIC_ACQUIRE);
}

static bool lock(struct live_part *part, bool patient)
{
	unsigned nr_naps = patient ? NR_NAPS : NR_FEW_NAPS;

	for (unsigned i = 0; i < NR_TRIES + nr_naps; i++) {
		if (__atomic_load_n(&part->broken, __ATOMIC_RELAXED))
			return false;
		if (try_lock(part)) {
			held = part;
			return true;
		}
		if (i >= NR_TRIES)
			os__sleep_us(100);
	}
	if (patient)
		__atomic_store_n(&part->broken, 1, __ATOMIC_RELAXED);
	return false;
}

static void unlock(struct live_part *part)
{
	held = NULL;
	__atomic_store_n(&part->locked, 0, __ATOMIC_RELEASE);
}

/* What was half done may be wrong by a block. */
void live_blocks__thrown_out(struct live_blocks *blocks)
{
	struct live_part *part = held;

	if (!part)
		return;
	__atomic_fetch_add(&blocks->nr_lost, 1, __ATOMIC_RELAXED);
	unlock(part);
}

void live_blocks__forked(struct live_blocks *blocks)
{
	for (unsigned i = 0; i < SNAPSHOT_PARTS; i++) {
		blocks->nr_lost += blocks->parts[i].locked;
		blocks->parts[i].locked = 0;
	}
	held = NULL;
}

/* ---- a part: open addressing ------------------------------------------------------------------
 */

static uint32_t home_of(const struct live_blocks *blocks, uintptr_t addr)
{
	return (uint32_t)((uint64_t)hash_of(addr) * blocks->nr_slots >> 32);
}

static uint32_t after(const struct live_blocks *blocks, uint32_t slot)
{
	return slot + 1 == blocks->nr_slots ? 0 : slot + 1;
}

/* The slot of an address, or the empty one where its search ends. */
static uint32_t find(const struct live_blocks *blocks, const struct live_block *slots,
		     uintptr_t addr)
{
	uint32_t slot = home_of(blocks, addr);

	for (uint32_t left = blocks->nr_slots; left && slots[slot].addr; left--) {
		if (slots[slot].addr == addr)
			break;
		slot = after(blocks, slot);
	}
	return slot;
}

/* Those behind move up, so that no search ends too early. */
static void close_gap(const struct live_blocks *blocks, struct live_block *slots, uint32_t gap)
{
	uint32_t slot = gap;

	for (uint32_t left = blocks->nr_slots; left; left--) {
		uint32_t home, nr = blocks->nr_slots;

		slot = after(blocks, slot);
		if (!slots[slot].addr)
			break;
		home = home_of(blocks, slots[slot].addr);
		/* May it be in the gap: does its home not lie between there and here? */
		if ((slot + nr - home) % nr < (slot + nr - gap) % nr)
			continue;
		slots[gap] = slots[slot];
		gap = slot;
	}
	slots[gap].addr = 0;
}

static uint32_t part_of(uintptr_t addr)
{
	/* Other bits than those that choose the slot. */
	return hash_of(addr) % SNAPSHOT_PARTS;
}

void live_blocks__add(struct live_blocks *blocks, const struct live_block *block, bool patient)
{
	uint32_t number = part_of(block->addr), slot;
	struct live_part *part = &blocks->parts[number];
	struct live_block *slots = blocks->slots + (size_t)number * blocks->nr_slots;
	bool fits = false;

	if (blocks->nr_slots && lock(part, patient)) {
		slot = find(blocks, slots, block->addr);
		fits = slots[slot].addr || part->nr < blocks->nr_slots / 8 * 7;
		if (fits) {
			part->nr += !slots[slot].addr;
			slots[slot] = *block;
		}
		unlock(part);
	}
	if (!fits)
		__atomic_fetch_add(&blocks->nr_lost, 1, __ATOMIC_RELAXED);
}

bool live_blocks__take(struct live_blocks *blocks, uintptr_t addr, struct live_block *taken,
		       bool patient)
{
	uint32_t number = part_of(addr), slot;
	struct live_part *part = &blocks->parts[number];
	struct live_block *slots = blocks->slots + (size_t)number * blocks->nr_slots;
	bool found;

	if (!blocks->nr_slots)
		return false;
	if (!lock(part, patient)) {
		__atomic_fetch_add(&blocks->nr_lost, 1, __ATOMIC_RELAXED);
		return false;
	}
	slot = find(blocks, slots, addr);
	found = slots[slot].addr == addr;
	if (found) {
		*taken = slots[slot];
		close_gap(blocks, slots, slot);
		part->nr--;
	}
	unlock(part);
	return found;
}

void live_blocks__each(struct live_blocks *blocks,
		       void (*visit)(const struct live_block *block, void *data), void *data)
{
	bool locked[SNAPSHOT_PARTS];

	for (unsigned i = 0; i < SNAPSHOT_PARTS; i++)
		locked[i] = lock(&blocks->parts[i], true);
	for (unsigned i = 0; i < SNAPSHOT_PARTS; i++) {
		const struct live_block *slots = blocks->slots + (size_t)i * blocks->nr_slots;

		for (uint32_t n = 0; locked[i] && n < blocks->nr_slots; n++)
			if (slots[n].addr)
				visit(&slots[n], data);
	}
	for (unsigned i = 0; i < SNAPSHOT_PARTS; i++)
		if (locked[i])
			unlock(&blocks->parts[i]);
}
