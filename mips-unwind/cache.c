// SPDX-License-Identifier: BSD-2-Clause
/*
 * The cache: a place and another for every pc, two words an entry, written and read without a lock
 * or a barrier. The check of an entry ties its rule, its pc and the generation together, so halves
 * of two entries, and what an older generation left, do not pass it (but once in 2^32, or 2^64
 * where words are so long; and then the caller such a rule gives must still pass every other test).
 */
#include <string.h>

#include "internal.h"

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
	cache->flip = size / 2;
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
	char *entries;
	mips_addr_t packed;

	if (!cache || !cache->entries)
		return false;
	entries = (char *)cache->entries;
	if (!mips_cache__read(mips_cache__entry(entries, cache->mask, walk->at.pc, 0), walk->key,
			      walk->at.pc, &packed) &&
	    !mips_cache__read(mips_cache__entry(entries, cache->mask, walk->at.pc, cache->flip),
			      walk->key, walk->at.pc, &packed))
		return false;
	if (RULE_KIND(packed) == RULE_NEVER)
		return false;
	rule->kind = (enum mips_rule_kind)RULE_KIND(packed);
	if (rule->kind == RULE_ANY)
		rule->kind = RULE_SP_FP;
	rule->cfa = RULE_CFA(packed);
	rule->ra = (uint32_t)RULE_RA(packed);
	rule->fp = RULE_FP_SLOTS(packed) ? rule->ra + RULE_FP_SLOTS(packed) * slot_bytes : 0;
	return true;
}

/* The rule in a word. False: it does not fit, which compilers' seldom do but for frames of 1 MiB.
 */
static bool pack(const struct mips_rule *rule, uint32_t slot_bytes, mips_addr_t *packed)
{
	enum mips_rule_kind kind = rule->kind;
	uint32_t fp_slots = rule->fp ? (rule->fp - rule->ra) / slot_bytes : 0;

	*packed = kind;
	if (kind >= RULE_BOTTOM)
		return true;
	if (rule->fp &&
	    (rule->fp <= rule->ra || fp_slots > 15 || rule->ra + fp_slots * slot_bytes != rule->fp))
		return false;
	if (fp_slots > 1 && kind == RULE_SP_FP)
		kind = RULE_ANY;
	/* Of fp as a base what is next to ra is taken for saved. */
	if (kind == RULE_FP && fp_slots != 1)
		return false;
	*packed = (mips_addr_t)kind | rule->cfa | (mips_addr_t)fp_slots << 20 |
		  (mips_addr_t)rule->ra << 24;
	return rule->cfa % 8 == 0 && rule->cfa < MIPS_CACHE_MAX_CFA && rule->ra &&
	       rule->ra % slot_bytes == 0 && rule->ra < 256;
}

static void store(struct mips_cache_entry *entry, mips_addr_t rule, mips_addr_t check)
{
	__atomic_store_n(&entry->rule, rule, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->check, check, __ATOMIC_RELAXED);
}

/* Whether an entry holds no rule of the walk's generation, and may be written over. */
static bool is_free(const struct mips_walk *walk, const struct mips_cache_entry *entry)
{
	const struct mips_cache *cache = walk->unwind->cache;
	mips_addr_t packed = __atomic_load_n(&entry->rule, __ATOMIC_RELAXED);
	mips_addr_t pc = __atomic_load_n(&entry->check, __ATOMIC_RELAXED) - packed * walk->key;
	char *entries = (char *)cache->entries;

	return RULE_KIND(packed) == RULE_NEVER || pc % 4 ||
	       (mips_cache__entry(entries, cache->mask, pc, 0) != entry &&
		mips_cache__entry(entries, cache->mask, pc, cache->flip) != entry);
}

void mips_cache__put(const struct mips_walk *walk, const struct mips_rule *rule)
{
	const struct mips_cache *cache = walk->unwind->cache;
	struct mips_cache_entry *entry, *other;
	mips_addr_t packed;

	if (!cache || !cache->entries ||
	    !pack(rule, mips__slot_bytes(&walk->unwind->machine), &packed))
		return;
	entry = mips_cache__entry((char *)cache->entries, cache->mask, walk->at.pc, 0);
	other = mips_cache__entry((char *)cache->entries, cache->mask, walk->at.pc, cache->flip);
	/* What is in the way moves to its other place, so that two can be there. */
	if (!is_free(walk, entry))
		store(other, __atomic_load_n(&entry->rule, __ATOMIC_RELAXED),
		      __atomic_load_n(&entry->check, __ATOMIC_RELAXED));
	store(entry, packed, packed * walk->key + walk->at.pc);
}
