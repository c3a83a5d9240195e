// SPDX-License-Identifier: BSD-2-Clause
#include "stacks.h"

#include <stddef.h>
#include <string.h>

#include "wire.h"

/* Half of what an entry with few frames of its own takes: how many slots go with an arena. */
#define BYTES_A_SLOT 16u
/* Slots looked at for one stack: beyond, it counts as not found, and the table as full. */
#define MAX_PROBES 64u
/* Offsets are multiples of 8 below CONFIG's 1 GiB: that leaves the upper bits of a slot to the
 * hash's. Most entries of other stacks need not be looked at for it. */
#define OFFSET_BITS 27
#define OFFSET_MASK ((1u << OFFSET_BITS) - 1)

_Static_assert(WIRE_MAX_FRAMES <= UINT8_MAX, "numbers of frames are bytes");

void stacks__init(struct stacks *stacks, void *memory, uint32_t bytes)
{
	uint32_t nr_slots = 64;

	while (nr_slots * 2 * (BYTES_A_SLOT + sizeof(uint32_t)) <= bytes)
		nr_slots *= 2;
	memset(stacks, 0, sizeof(*stacks));
	stacks->slots = memory;
	stacks->nr_slots = nr_slots;
	stacks->arena = (uint8_t *)memory + nr_slots * sizeof(uint32_t);
	stacks->arena_size = bytes - nr_slots * (uint32_t)sizeof(uint32_t);
	stacks->arena_used = 8; /* offset 0 means: none */
}

uint32_t stacks__fresh_id(struct stacks *stacks)
{
	return __atomic_add_fetch(&stacks->last_id, 1, __ATOMIC_RELAXED);
}

/* In two lanes, for a multiplication waits for the one before. */
static uint32_t hash_of(const uintptr_t *frames, unsigned nr_frames, uint16_t flags)
{
	const uintptr_t factor = (uintptr_t)0x9e3779b97f4a7c15ull;
	uintptr_t even = nr_frames, odd = flags;
	uint32_t hash;

	for (unsigned i = 0; i + 1 < nr_frames; i += 2) {
		even = (even ^ frames[i]) * factor;
		odd = (odd ^ frames[i + 1]) * factor;
	}
	if (nr_frames & 1)
		even = (even ^ frames[nr_frames - 1]) * factor;
	even = (even ^ odd >> 7) * factor;
	/* What differs in an upper bit of a frame does so in no lower bit of a product. */
	hash = (uint32_t)((uint64_t)even >> 32) ^ (uint32_t)even;
	hash = (hash ^ hash >> 16) * 0x85ebca6bu;
	return hash ^ hash >> 15;
}

/* Bytes of the arena, or 0. */
static uint32_t arena_take(struct stacks *stacks, uint32_t bytes)
{
	uint32_t used = __atomic_load_n(&stacks->arena_used, __ATOMIC_RELAXED);

	do {
		if (bytes > stacks->arena_size - used)
			return 0;
	} while (!__atomic_compare_exchange_n(&stacks->arena_used, &used, used + bytes, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return used;
}

static struct stack_entry *entry_at(const struct stacks *stacks, uint32_t offset)
{
	return (struct stack_entry *)(stacks->arena + offset);
}

static uint32_t slot_of(uint32_t hash, uint32_t offset)
{
	return offset / 8 | (hash & ~OFFSET_MASK);
}

static uint32_t offset_of(uint32_t slot)
{
	return (slot & OFFSET_MASK) * 8;
}

/*
 * Some of an entry's frames, from the one on that has nr_left - 1 outside of it: they stand side by
 * side at *frames, and *entry becomes whose own they are. Returns how many.
 */
static unsigned some_frames(const struct stacks *stacks, const struct stack_entry **entry,
			    unsigned nr_left, const uintptr_t **frames)
{
	unsigned first = (*entry)->nr_frames - nr_left;

	while (first >= (*entry)->nr_own) {
		*entry = entry_at(stacks, (*entry)->outer);
		first = (*entry)->nr_frames - nr_left;
	}
	*frames = (*entry)->own + first;
	return (*entry)->nr_own - first;
}

static bool has_frames(const struct stacks *stacks, const struct stack_entry *entry,
		       const uintptr_t *frames)
{
	const uintptr_t *some;

	for (unsigned nr_left = entry->nr_frames, nr; nr_left; nr_left -= nr, frames += nr) {
		nr = some_frames(stacks, &entry, nr_left, &some);
		if (memcmp(some, frames, nr * sizeof(*frames)))
			return false;
	}
	return true;
}

static bool is_equal(const struct stacks *stacks, const struct stack_entry *entry, uint32_t hash,
		     const uintptr_t *frames, unsigned nr_frames, uint16_t flags)
{
	return entry->hash == hash && entry->nr_frames == nr_frames && entry->flags == flags &&
	       has_frames(stacks, entry, frames) &&
	       !__atomic_load_n(&entry->dead, __ATOMIC_RELAXED);
}

/* How many outer frames are those of an entry. One at least is not: an entry has one of its own. */
static unsigned count_common(const struct stacks *stacks, const struct stack_entry *entry,
			     const uintptr_t *frames, unsigned nr_frames)
{
	unsigned nr_theirs = entry->nr_frames, nr_common = 0;
	uintptr_t theirs[WIRE_MAX_FRAMES];
	const uintptr_t *some;

	for (unsigned nr_left = nr_theirs, nr; nr_left; nr_left -= nr) {
		nr = some_frames(stacks, &entry, nr_left, &some);
		memcpy(theirs + nr_theirs - nr_left, some, nr * sizeof(*some));
	}
	while (nr_common < nr_frames - 1 && nr_common < nr_theirs &&
	       frames[nr_frames - 1 - nr_common] == theirs[nr_theirs - 1 - nr_common])
		nr_common++;
	return nr_common;
}

/* Returns its offset, or 0. */
static uint32_t make_entry(struct stacks *stacks, uint32_t hash, const uintptr_t *frames,
			   unsigned nr_frames, uint16_t flags, uint32_t near)
{
	const struct stack_entry *outer = entry_at(stacks, near);
	unsigned nr_common = near ? count_common(stacks, outer, frames, nr_frames) : 0;
	unsigned nr_own = nr_frames - nr_common;
	uint32_t size = (uint32_t)(sizeof(struct stack_entry) + nr_own * sizeof(*frames));
	uint32_t offset = arena_take(stacks, (size + 7) & ~7u);
	struct stack_entry *entry = entry_at(stacks, offset);
	const uintptr_t *some;

	if (!offset)
		return 0;
	entry->hash = hash;
	entry->id = stacks__fresh_id(stacks);
	entry->nr_frames = (uint8_t)nr_frames;
	entry->nr_own = (uint8_t)nr_own;
	entry->flags = flags;
	memcpy(entry->own, frames, nr_own * sizeof(*frames));
	/* The one whose own they begin with, so that no way through entries is longer than the
	 * stack. */
	if (nr_common) {
		some_frames(stacks, &outer, nr_common, &some);
		entry->outer = (uint32_t)((const uint8_t *)outer - stacks->arena);
	}
	return offset;
}

struct stack_entry *stacks__intern(struct stacks *stacks, const uintptr_t *frames,
				   unsigned nr_frames, uint16_t flags, uint32_t *near, bool *is_new)
{
	uint32_t hash = hash_of(frames, nr_frames, flags), made = 0;

	*is_new = false;
	for (uint32_t i = 0; i < MAX_PROBES; i++) {
		uint32_t *slot = &stacks->slots[(hash + i) & (stacks->nr_slots - 1)];
		uint32_t found = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

		if (!found) {
			if (!made)
				made = make_entry(stacks, hash, frames, nr_frames, flags, *near);
			if (!made)
				break;
			/* Where another was quicker, `found` is what it has put there. */
			*is_new = __atomic_compare_exchange_n(slot, &found, slot_of(hash, made),
							      false, __ATOMIC_ACQ_REL,
							      __ATOMIC_ACQUIRE);
			if (*is_new) {
				__atomic_fetch_add(&stacks->nr, 1, __ATOMIC_RELAXED);
				*near = made;
				return entry_at(stacks, made);
			}
		}
		if (!((found ^ hash) & ~OFFSET_MASK) &&
		    is_equal(stacks, entry_at(stacks, offset_of(found)), hash, frames, nr_frames,
			     flags)) {
			*near = offset_of(found);
			return entry_at(stacks, offset_of(found));
		}
	}
	__atomic_fetch_add(&stacks->nr_unkept, 1, __ATOMIC_RELAXED);
	return NULL;
}

bool stack_entry__is_sent(const struct stack_entry *entry, uint32_t generation)
{
	return __atomic_load_n(&entry->sent, __ATOMIC_ACQUIRE) == generation * 2;
}

bool stack_entry__claim(struct stack_entry *entry, uint32_t generation)
{
	uint32_t sent = __atomic_load_n(&entry->sent, __ATOMIC_RELAXED);

	return sent / 2 != generation &&
	       __atomic_compare_exchange_n(&entry->sent, &sent, generation * 2 + 1, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void stack_entry__settle(struct stack_entry *entry, uint32_t generation, bool sent)
{
	__atomic_store_n(&entry->sent, sent ? generation * 2 : 0, __ATOMIC_RELEASE);
}

const struct stack_entry *stacks__in_slot(const struct stacks *stacks, uint32_t slot)
{
	uint32_t found = __atomic_load_n(&stacks->slots[slot], __ATOMIC_ACQUIRE);

	return found ? entry_at(stacks, offset_of(found)) : NULL;
}

void stack_entry__frames(const struct stack_entry *entry, const struct stacks *stacks,
			 uint64_t *frames)
{
	const uintptr_t *some;

	for (unsigned nr_left = entry->nr_frames, nr; nr_left; nr_left -= nr) {
		nr = some_frames(stacks, &entry, nr_left, &some);
		for (unsigned i = 0; i < nr; i++)
			*frames++ = some[i];
	}
}

static bool is_in(const struct stacks *stacks, const struct stack_entry *entry, uintptr_t start,
		  uintptr_t end)
{
	const uintptr_t *some;

	for (unsigned nr_left = entry->nr_frames, nr; nr_left; nr_left -= nr) {
		nr = some_frames(stacks, &entry, nr_left, &some);
		for (unsigned i = 0; i < nr; i++)
			if (some[i] >= start && some[i] <= end)
				return true;
	}
	return false;
}

void stacks__unload(struct stacks *stacks, uintptr_t start, uintptr_t end)
{
	for (uint32_t i = 0; i < stacks->nr_slots; i++) {
		uint32_t slot = __atomic_load_n(&stacks->slots[i], __ATOMIC_ACQUIRE);
		struct stack_entry *entry = entry_at(stacks, offset_of(slot));

		if (slot && is_in(stacks, entry, start, end))
			__atomic_store_n(&entry->dead, 1, __ATOMIC_RELAXED);
	}
}
