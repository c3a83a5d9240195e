// SPDX-License-Identifier: BSD-2-Clause
/*
 * The cache: a place and another for every pc, two words an entry, written and read without a lock
 * or a barrier. The check of an entry ties its rule, its pc and the generation together, so halves
 * of two entries, and what an older generation left, do not pass it (but once in 2^32, or 2^64
 * where words are so long; and then the caller such a rule gives must still pass every other test).
 */
#include "internal.h"

/* Odd, and so is every key: what is between two is twice this. */
#define FIRST_KEY ((mips_addr_t)0x9e3779b97f4a7c15)

#define EMPTY (RULE_SPECIAL | RULE_ODD | RULE_NEVER << 1)

void mips_cache__init(struct mips_cache *cache, void *memory, size_t nr_bytes)
{
	size_t size = nr_bytes >= 1024 ? 1024 : 0, i;
	struct mips_cache_entry *entries = memory;

	while (size && size <= nr_bytes / 2)
		size *= 2;
	for (i = 0; i < size / sizeof(*entries); i++)
		entries[i] = (struct mips_cache_entry){ EMPTY, 0 };
	cache->entries = size ? entries : NULL;
	cache->mask = size ? size - sizeof(*entries) : 0;
	cache->key = FIRST_KEY;
}

void mips_cache__invalidate(struct mips_cache *cache)
{
	__atomic_add_fetch(&cache->key, 2 * FIRST_KEY, __ATOMIC_ACQ_REL);
}

static void unpack(mips_addr_t packed, uint32_t slot_bytes, struct mips_rule *rule)
{
	if (packed & RULE_SPECIAL) {
		rule->kind = (enum mips_rule_kind)RULE_SPECIAL_KIND(packed);
		rule->cfa = (uint32_t)RULE_SPECIAL_CFA(packed) * slot_bytes;
		rule->ra = (uint32_t)RULE_SPECIAL_RA(packed) * slot_bytes;
		rule->fp = (uint32_t)RULE_SPECIAL_FP(packed) * slot_bytes;
		rule->fp += rule->fp ? rule->ra : 0;
	} else {
		rule->kind = packed & RULE_PLAIN_FP ? RULE_SP_FP : RULE_SP;
		rule->cfa = (uint32_t)RULE_PLAIN_CFA(packed);
		rule->ra = slot_bytes;
		rule->fp = packed & RULE_PLAIN_FP ? 2 * slot_bytes : 0;
	}
}

bool mips_cache__get(const struct mips_walk *walk, struct mips_rule *rule)
{
	const struct mips_cache *cache = walk->unwind->cache;
	mips_addr_t packed, pc = walk->at.pc;
	char *entries;

	if (!cache || !cache->entries)
		return false;
	entries = (char *)cache->entries;
	if (!mips_cache__read(mips_cache__entry(entries, cache->mask, pc), walk->key, pc,
			      &packed) &&
	    !mips_cache__read(mips_cache__other(entries, cache->mask, pc), walk->key, pc, &packed))
		return false;
	unpack(packed, mips__slot_bytes(&walk->unwind->machine), rule);
	return rule->kind != RULE_NEVER;
}

/* A rule that has a frame, in a word: plain, or special. */
static mips_addr_t pack_frame(const struct mips_rule *rule, uint32_t slot_bytes)
{
	uint32_t cfa = rule->cfa / slot_bytes, ra = rule->ra / slot_bytes;
	uint32_t fp = rule->fp ? (rule->fp - rule->ra) / slot_bytes : 0;

	if (rule->kind != RULE_FP && ra == 1 && fp <= 1 && rule->cfa < RULE_PLAIN_MAX_CFA)
		return (mips_addr_t)rule->cfa << 3 | (fp ? RULE_PLAIN_FP : 0) | RULE_ODD;
	if (cfa > 0xffff || ra > 63 || fp > 31)
		return EMPTY;
	return RULE_SPECIAL | (mips_addr_t)cfa << 15 | fp << 10 | ra << 4 |
	       (mips_addr_t)rule->kind << 1 | RULE_ODD;
}

/*
 * The rule in a word. EMPTY: it does not fit. That is rare: of usual frames those of 256 MiB, of
 * others those of 256 KiB (512 where slots have 8 bytes); and what no compiler makes, fp above ra.
 */
static mips_addr_t pack(const struct mips_rule *rule, uint32_t slot_bytes)
{
	if (rule->kind >= RULE_BOTTOM)
		return RULE_SPECIAL | (mips_addr_t)rule->kind << 1 | RULE_ODD;
	/* Slots, in the frame, and it has an end beyond them. */
	if ((rule->cfa | rule->ra | rule->fp) % slot_bytes || !rule->ra || rule->ra > rule->cfa ||
	    rule->fp > rule->cfa || (rule->fp && rule->fp <= rule->ra))
		return EMPTY;
	return pack_frame(rule, slot_bytes);
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

	return packed == EMPTY || pc % 4 ||
	       (mips_cache__entry(entries, cache->mask, pc) != entry &&
		mips_cache__other(entries, cache->mask, pc) != entry);
}

void mips_cache__put(const struct mips_walk *walk, const struct mips_rule *rule)
{
	const struct mips_cache *cache = walk->unwind->cache;
	struct mips_cache_entry *entry, *other;
	mips_addr_t packed;

	if (!cache || !cache->entries)
		return;
	packed = pack(rule, mips__slot_bytes(&walk->unwind->machine));
	if (packed == EMPTY)
		return;
	entry = mips_cache__entry((char *)cache->entries, cache->mask, walk->at.pc);
	other = mips_cache__other((char *)cache->entries, cache->mask, walk->at.pc);
	/* What is in the way moves to its other place, so that two can be there. */
	if (!is_free(walk, entry))
		store(other, __atomic_load_n(&entry->rule, __ATOMIC_RELAXED),
		      __atomic_load_n(&entry->check, __ATOMIC_RELAXED));
	store(entry, packed, packed * walk->key + walk->at.pc);
}
