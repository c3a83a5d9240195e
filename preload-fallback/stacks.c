// SPDX-License-Identifier: BSD-2-Clause
#include "stacks.h"

#include <stddef.h>
#include <string.h>

/* Bytes of an entry on average, about: how many slots go with an arena. */
#define BYTES_A_SLOT 64u
/* Slots looked at for one stack: beyond, it counts as not found, and the table as full. */
#define MAX_PROBES 64u

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

static uint32_t hash_of(const uintptr_t *frames, unsigned nr_frames, uint16_t flags)
{
	uint32_t hash = nr_frames * 0x9e3779b9u + flags;

	for (unsigned i = 0; i < nr_frames; i++) {
		uint32_t word = (uint32_t)frames[i] ^ (uint32_t)((uint64_t)frames[i] >> 32) * 31;

		hash = (hash ^ word) * 0x85ebca6bu;
		hash ^= hash >> 15;
	}
	hash *= 0xc2b2ae35u;
	return hash ^ hash >> 16;
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

static uint32_t make_entry(struct stacks *stacks, uint32_t hash, const uintptr_t *frames,
			   unsigned nr_frames, uint16_t flags)
{
	uint32_t size = (uint32_t)(sizeof(struct stack_entry) + nr_frames * sizeof(*frames));
	uint32_t offset = arena_take(stacks, (size + 7) & ~7u);
	struct stack_entry *entry = entry_at(stacks, offset);

	if (!offset)
		return 0;
	entry->hash = hash;
	entry->id = stacks__fresh_id(stacks);
	entry->nr_frames = (uint16_t)nr_frames;
	entry->flags = flags;
	memcpy(entry->frames, frames, nr_frames * sizeof(*frames));
	return offset;
}

static bool is_equal(const struct stack_entry *entry, uint32_t hash, const uintptr_t *frames,
		     unsigned nr_frames, uint16_t flags)
{
	return entry->hash == hash && entry->nr_frames == nr_frames && entry->flags == flags &&
	       !memcmp(entry->frames, frames, nr_frames * sizeof(*frames)) &&
	       !__atomic_load_n(&entry->dead, __ATOMIC_RELAXED);
}

struct stack_entry *stacks__intern(struct stacks *stacks, const uintptr_t *frames,
				   unsigned nr_frames, uint16_t flags, bool *is_new)
{
	uint32_t hash = hash_of(frames, nr_frames, flags), made = 0;

	*is_new = false;
	for (uint32_t i = 0; i < MAX_PROBES; i++) {
		uint32_t *slot = &stacks->slots[(hash + i) & (stacks->nr_slots - 1)];
		uint32_t found = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

		if (!found) {
			made = made ? made : make_entry(stacks, hash, frames, nr_frames, flags);
			if (!made)
				break;
			/* Where another was quicker, `found` is what it has put there. */
			*is_new = __atomic_compare_exchange_n(slot, &found, made, false,
							      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
			if (*is_new) {
				__atomic_fetch_add(&stacks->nr, 1, __ATOMIC_RELAXED);
				return entry_at(stacks, made);
			}
		}
		if (is_equal(entry_at(stacks, found), hash, frames, nr_frames, flags))
			return entry_at(stacks, found);
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

void stacks__unload(struct stacks *stacks, uintptr_t start, uintptr_t end)
{
	for (uint32_t i = 0; i < stacks->nr_slots; i++) {
		uint32_t offset = __atomic_load_n(&stacks->slots[i], __ATOMIC_ACQUIRE);
		struct stack_entry *entry = entry_at(stacks, offset);

		for (unsigned n = 0; offset && n < entry->nr_frames; n++)
			if (entry->frames[n] >= start && entry->frames[n] <= end)
				__atomic_store_n(&entry->dead, 1, __ATOMIC_RELAXED);
	}
}
