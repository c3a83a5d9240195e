// SPDX-License-Identifier: BSD-2-Clause
/*
 * The cache: direct-mapped, two words an entry, written and read without a lock or a barrier. The
 * check of an entry ties its rule, its pc and the generation together, so halves of two entries,
 * and what an older generation left, do not pass it (but once in 2^32, or 2^64 where words are so
 * long; and then the caller such a rule gives must still pass every other test).
 */
#include <string.h>

#include "internal.h"

/*
 * A rule in a word: bits 0-2 kind, 3-19 the frame's bytes (a multiple of 8, below 1 MiB), 20-25
 * and 26-31 where fp and ra are below its end, in slots. What does not fit is scanned for anew
 * every time; compilers do not write it, but for frames beyond a mebibyte.
 */
#define MAX_CFA	  (1u << 20)
#define MAX_SLOTS 63

void mips_cache__init(struct mips_cache *cache, void *memory, size_t nr_bytes)
{
	size_t size = nr_bytes >= 1024 ? 1024 : 0;

	while (size && size <= nr_bytes / 2)
		size *= 2;
	/* Zeros match a pc of 0, to which they are no rule. */
	if (size)
		memset(memory, 0, size);
	cache->entries = size ? memory : NULL;
	cache->mask = size ? size - sizeof(struct mips_cache_entry) : 0;
	cache->generation = 0;
}

void mips_cache__invalidate(struct mips_cache *cache)
{
	__atomic_add_fetch(&cache->generation, 1, __ATOMIC_ACQ_REL);
}

bool mips_cache__get(const struct mips_walk *walk, struct mips_rule *rule)
{
	const struct mips_cache *cache = walk->unwind->cache;
	unsigned slot_bytes = mips__slot_bytes(&walk->unwind->machine);
	const struct mips_cache_entry *entry;
	mips_addr_t packed, check;

	if (!cache || !cache->entries)
		return false;
	entry = mips_cache__entry(cache, walk->pc);
	packed = __atomic_load_n(&entry->rule, __ATOMIC_RELAXED);
	check = __atomic_load_n(&entry->check, __ATOMIC_RELAXED);
	if (packed * walk->key + walk->pc != check || RULE_KIND(packed) == RULE_NEVER)
		return false;
	rule->kind = (enum mips_rule_kind)RULE_KIND(packed);
	rule->cfa = RULE_CFA(packed);
	rule->fp = RULE_FP_SLOTS(packed) * slot_bytes;
	rule->ra = RULE_RA_SLOTS(packed) * slot_bytes;
	return true;
}

void mips_cache__put(const struct mips_walk *walk, const struct mips_rule *rule)
{
	const struct mips_cache *cache = walk->unwind->cache;
	unsigned slot_bytes = mips__slot_bytes(&walk->unwind->machine);
	uint32_t fp = rule->fp / slot_bytes, ra = rule->ra / slot_bytes;
	struct mips_cache_entry *entry;
	mips_addr_t packed;

	if (!cache || !cache->entries)
		return;
	if (rule->cfa % 8 || rule->cfa >= MAX_CFA || fp > MAX_SLOTS || ra > MAX_SLOTS ||
	    fp * slot_bytes != rule->fp || ra * slot_bytes != rule->ra)
		return;
	packed = (mips_addr_t)rule->kind | rule->cfa | (mips_addr_t)fp << 20 | (mips_addr_t)ra << 26;
	entry = mips_cache__entry(cache, walk->pc);
	__atomic_store_n(&entry->rule, packed, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->check, packed * walk->key + walk->pc, __ATOMIC_RELAXED);
}
