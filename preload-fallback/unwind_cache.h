/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows by address. Programs return to few places: with their rows at hand most frames need no
 * search.
 *
 * No locks: an entry is two words that any thread may write at any time. The key is made from the
 * address, the row and the generation, so words of different writers do not fit together, and
 * neither does what was written before code was unloaded.
 */
#ifndef UNWIND_CACHE_H
#define UNWIND_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind_row.h"

#define UNWIND_CACHE_BITS 14 /* 256 KiB, of which a program touches what it needs */

struct unwind_cached {
	uint64_t key;
	unwind_row row;
};

/* Hidden: accesses then need no detour. */
extern struct unwind_cached unwind_cache[] __attribute__((visibility("hidden")));
extern uint32_t unwind_cache_generation __attribute__((visibility("hidden")));

/* What stands for the generation in keys; never an address of a program, so that an entry nobody
 * has written is nobody's. */
static inline uint64_t unwind_cache__salt(void)
{
	uint64_t generation = __atomic_load_n(&unwind_cache_generation, __ATOMIC_RELAXED);

	return generation * 0x9e3779b97f4a7c15ull | 1ull << 63;
}

static inline uint64_t unwind_cache__key(uint64_t salt, uintptr_t address, unwind_row row)
{
	return (address ^ salt) + row * 0xd6e8feb86659fd93ull;
}

static inline struct unwind_cached *unwind_cache__entry(uintptr_t address)
{
	return &unwind_cache[address * 0x9e3779b97f4a7c15ull >> (64 - UNWIND_CACHE_BITS)];
}

static inline bool unwind_cache__get(uint64_t salt, uintptr_t address, unwind_row *row)
{
	struct unwind_cached *entry = unwind_cache__entry(address);
	uint64_t key = __atomic_load_n(&entry->key, __ATOMIC_RELAXED);

	*row = __atomic_load_n(&entry->row, __ATOMIC_RELAXED);
	return key == unwind_cache__key(salt, address, *row);
}

static inline void unwind_cache__put(uint64_t salt, uintptr_t address, unwind_row row)
{
	struct unwind_cached *entry = unwind_cache__entry(address);

	__atomic_store_n(&entry->row, row, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->key, unwind_cache__key(salt, address, row), __ATOMIC_RELAXED);
}

#endif /* UNWIND_CACHE_H */
