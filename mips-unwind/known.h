/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames whose rules are in the cache and whose registers are in the window. */
#ifndef MIPS_KNOWN_H
#define MIPS_KNOWN_H

#include "internal.h"

/* Begins what is rare. Else gcc fills the delay slot of the branch to it with an instruction from
 * here, not with one of the usual way; a use of pc keeps that in a register that the branch does
 * not need. Two instructions a frame. */
#define OUT_OF_THE_WAY(pc) __asm__ volatile("" : : "r"(pc))
#define LIKELY(condition)  __builtin_expect(!!(condition), 1)

/* Where a walk over known frames stands. */
struct known {
	mips_addr_t pc, sp;
	mips_addr_t fp;	    /* where it began */
	mips_addr_t fp_end; /* behind ra and the fp saved last, above all that was before; 0: none
			       was */
	/* Of a walk that notes where it has been: the slots of return addresses. */
	mips_addr_t *slot; /* of the one to come */
	const mips_addr_t *end_slot;
	bool by_fp; /* a frame was found by fp */
};

/* fp is seldom asked for: all that is kept of it while frames pass is where it was saved. */
MIPS_INLINE mips_addr_t known_fp(const struct mips_unwind *unwind, const struct mips_window *stack,
				 const struct known *at)
{
	if (!at->fp_end)
		return at->fp;
	return mips_window__slot(unwind, stack,
				 at->fp_end - 2 * mips__slot_bytes(&unwind->machine));
}

/* The rule of pc, in either of its places. */
MIPS_INLINE bool find_rule(char *entries, mips_addr_t mask, mips_addr_t key, mips_addr_t pc,
			   mips_addr_t *packed)
{
	if (LIKELY(mips_cache__read(mips_cache__entry(entries, mask, pc), key, pc, packed)))
		return true;
	OUT_OF_THE_WAY(pc);
	return mips_cache__read(mips_cache__other(entries, mask, pc), key, pc, packed);
}

/*
 * A frame that has another layout than usual, or fp as its base. Returns the slot its return
 * address was in; 0: nothing is done.
 */
MIPS_INLINE mips_addr_t pass_special(const struct mips_unwind *unwind,
				     const struct mips_window *stack, mips_addr_t packed,
				     struct known *at, bool notes)
{
	const mips_addr_t slot_bytes = mips__slot_bytes(&unwind->machine);
	const mips_addr_t cfa = RULE_SPECIAL_CFA(packed) * slot_bytes;
	unsigned kind = RULE_SPECIAL_KIND(packed);
	mips_addr_t base = at->sp, slot;

	if (!(packed & RULE_SPECIAL) || kind - RULE_SP > RULE_FP - RULE_SP)
		return 0;
	if (kind == RULE_FP) {
		at->by_fp = true;
		if (!notes)
			return 0;
		base = known_fp(unwind, stack, at);
		if (base < at->sp || base > stack->hi || base % slot_bytes)
			return 0;
	}
	if (cfa > stack->hi - base)
		return 0;
	at->sp = base + cfa;
	slot = at->sp - RULE_SPECIAL_RA(packed) * slot_bytes;
	at->pc = mips_window__slot(unwind, stack, slot);
	if (notes && RULE_SPECIAL_FP(packed))
		at->fp_end = slot - (RULE_SPECIAL_FP(packed) - 2) * slot_bytes;
	return slot;
}

/*
 * The frames that are known, from *out to end. True: *at is at a frame yet to be done. False: the
 * last was the outermost. What an entry says was tested when it was made: its pc is behind a call,
 * what it reads is within its frame, so that only the frame's end is left to look at. Most walks
 * are nothing else, and few instructions a frame. notes: a constant; where it is false fp is not
 * followed, and a frame that is found by it not passed.
 */
MIPS_INLINE bool walk_known(const struct mips_unwind *unwind, const struct mips_window *stack,
			    struct known *at, mips_addr_t **out, const mips_addr_t *end, bool notes)
{
	const mips_addr_t key = mips_cache__key(unwind->cache), mask = unwind->cache->mask;
	const mips_addr_t slot_bytes = mips__slot_bytes(&unwind->machine), hi = stack->hi;
	char *const entries = (char *)unwind->cache->entries;
	mips_addr_t packed, sp, slot;

	do {
		if (!LIKELY(find_rule(entries, mask, key, at->pc, &packed)))
			break;
		sp = at->sp + RULE_PLAIN_CFA(packed);
		**out = at->pc;
		/* Neither a special rule, nor a frame that leaves the window. */
		if (LIKELY(sp <= hi)) {
			at->sp = sp;
			slot = sp - slot_bytes;
			at->pc = mips_window__slot(unwind, stack, slot);
			if (notes)
				at->fp_end = packed & RULE_PLAIN_FP ? sp : at->fp_end;
		} else if (packed == RULE_PACKED_BOTTOM) {
			++*out;
			return false;
		} else {
			OUT_OF_THE_WAY(at->pc);
			slot = pass_special(unwind, stack, packed, at, notes);
			if (!slot)
				break;
		}
		if (notes && at->slot != at->end_slot)
			*at->slot++ = slot;
	} while (LIKELY(++*out != end));
	return true;
}

/* A walk that needs fp, or may be one of many: to be kept. Returns 0 if it is not all known. */
unsigned mips_last__walk_and_keep(struct mips_last *last, mips_addr_t fp, mips_addr_t *frames,
				  unsigned max);

#endif /* MIPS_KNOWN_H */
