// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames, one after the other. Those whose rules are in the cache and whose registers are in the
 * window are walked by walk_known, which is all that a repeated stack costs; what stops it, one
 * frame at a time is done by step: rules to be scanned for, signal frames, other stacks, ends.
 */
#include "internal.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* Where a walk over known frames stands. */
struct known {
	mips_addr_t pc, sp;
	mips_addr_t fp;	    /* where it began */
	mips_addr_t fp_end; /* behind ra and the fp saved last, above all that was before; 0: none
			       was */
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
	return mips_cache__read(mips_cache__other(entries, mask, pc), key, pc, packed);
}

/* A frame that has another layout than usual, or fp as its base. False: nothing is done. */
MIPS_INLINE bool pass_special(const struct mips_unwind *unwind, const struct mips_window *stack,
			      mips_addr_t packed, struct known *at)
{
	const mips_addr_t slot_bytes = mips__slot_bytes(&unwind->machine);
	const mips_addr_t cfa = RULE_SPECIAL_CFA(packed) * slot_bytes;
	unsigned kind = RULE_SPECIAL_KIND(packed);
	mips_addr_t base = at->sp, slot;

	if (!(packed & RULE_SPECIAL) || kind < RULE_SP || kind > RULE_FP)
		return false;
	if (kind == RULE_FP) {
		base = known_fp(unwind, stack, at);
		if (base < at->sp || base > stack->hi || base % slot_bytes)
			return false;
	}
	if (cfa > stack->hi - base)
		return false;
	at->sp = base + cfa;
	slot = at->sp - RULE_SPECIAL_RA(packed) * slot_bytes;
	at->pc = mips_window__slot(unwind, stack, slot);
	if (RULE_SPECIAL_FP(packed))
		at->fp_end = slot - (RULE_SPECIAL_FP(packed) - 2) * slot_bytes;
	return true;
}

/*
 * The frames that are known, from *out to end. True: *at is at a frame yet to be done. False: the
 * last was the outermost. What an entry says was tested when it was made: its pc is behind a call,
 * what it reads is within its frame, so that only the frame's end is left to look at. Most walks
 * are nothing else, and few instructions a frame.
 */
MIPS_INLINE bool walk_known(const struct mips_unwind *unwind, const struct mips_window *stack,
			    struct known *at, mips_addr_t **out, const mips_addr_t *end)
{
	const mips_addr_t key = mips_cache__key(unwind->cache), mask = unwind->cache->mask;
	const mips_addr_t slot_bytes = mips__slot_bytes(&unwind->machine), hi = stack->hi;
	char *const entries = (char *)unwind->cache->entries;
	mips_addr_t packed, sp;

	if (*out == end)
		return true;
	do {
		if (!LIKELY(find_rule(entries, mask, key, at->pc, &packed)))
			break;
		**out = at->pc;
		sp = at->sp + RULE_PLAIN_CFA(packed);
		/* Neither a special rule, nor a frame that leaves the window. */
		if (LIKELY(sp <= hi)) {
			at->sp = sp;
			at->fp_end = packed & RULE_PLAIN_FP ? sp : at->fp_end;
			at->pc = mips_window__slot(unwind, stack, sp - slot_bytes);
		} else if (packed == RULE_PACKED_BOTTOM) {
			(*out)++;
			return false;
		} else if (!pass_special(unwind, stack, packed, at)) {
			break;
		}
	} while (LIKELY(++*out != end));
	return true;
}

/* Whether walk_known may begin here: at an aligned place in a window that is not too large. */
MIPS_INLINE bool can_walk_known(const struct mips_unwind *unwind, const struct mips_window *stack,
				const struct mips_cursor *at)
{
	return unwind->cache && unwind->cache->entries && !at->exact && at->sp >= stack->lo &&
	       stack->hi - at->sp < MIPS_CACHE_MAX_WINDOW && !(stack->hi & RULE_SPECIAL) &&
	       at->sp % mips__slot_bytes(&unwind->machine) == 0;
}

/* The known frames of a walk from where it stands. False: the last was the outermost. */
static bool walk_on_known(struct mips_walk *walk)
{
	struct known at = { walk->at.pc, walk->at.sp, walk->at.fp, 0 };
	mips_addr_t *out = walk->frames + walk->trace->nr_frames;

	if (!can_walk_known(walk->unwind, &walk->stack, &walk->at))
		return true;
	if (!walk_known(walk->unwind, &walk->stack, &at, &out, walk->end)) {
		walk->trace->nr_frames = (unsigned)(out - walk->frames);
		return false;
	}
	walk->trace->nr_frames = (unsigned)(out - walk->frames);
	walk->at.pc = at.pc;
	walk->at.sp = at.sp;
	walk->at.fp = known_fp(walk->unwind, &walk->stack, &at);
	return true;
}

/* The rest of a walk, out of the way of those that know all frames. The next is not known. */
static __attribute__((noinline)) void walk_on(struct mips_walk *walk)
{
	if (walk->stack.lo > walk->stack.hi)
		walk->stack.lo = walk->stack.hi = 0;
	walk->key = walk->unwind->cache ? mips_cache__key(walk->unwind->cache) : 0;
	do {
		if (walk->at.sp % mips__slot_bytes(&walk->unwind->machine)) {
			walk->trace->end = MIPS_END_STACK;
			return;
		}
	} while (mips_walk__step(walk) && walk_on_known(walk));
}

void mips_unwind__walk(const struct mips_unwind *unwind, const struct mips_cursor *cursor,
		       const struct mips_window *stack, mips_addr_t *frames, unsigned max,
		       struct mips_trace *trace)
{
	mips_addr_t *out = frames, *end = frames + max;
	bool begun = can_walk_known(unwind, stack, cursor);
	struct known at = { cursor->pc, cursor->sp, cursor->fp, 0 };
	bool more = !LIKELY(begun) || walk_known(unwind, stack, &at, &out, end);

	trace->nr_frames = (unsigned)(out - frames);
	trace->nr_exact = 0;
	trace->end = MIPS_END_BOTTOM;
	if (!LIKELY(!more)) {
		struct mips_walk walk = { unwind, *stack, { 0 }, 0, frames, end, trace };

		if (begun)
			walk.at = (struct mips_cursor){ at.pc, at.sp, 0,
							known_fp(unwind, stack, &at), false };
		else
			walk.at = *cursor;
		walk_on(&walk);
	}
}

const char *mips_unwind__end_name(enum mips_end end)
{
	static const char *const names[] = {
		[MIPS_END_BOTTOM] = "complete",
		[MIPS_END_FULL] = "there is no room for more frames",
		[MIPS_END_ISA] = "the caller is MIPS16 or microMIPS code",
		[MIPS_END_CODE] = "the caller's address is not in executable memory",
		[MIPS_END_CALL] = "there is no call before the caller's address",
		[MIPS_END_SCAN] = "the function's frame was not recognised",
		[MIPS_END_STACK] = "the frame is outside the stack",
		[MIPS_END_MEMORY] = "the stack cannot be read",
		[MIPS_END_SIGNAL] = "too many signal handlers are active",
	};

	return (unsigned)end < sizeof(names) / sizeof(names[0]) ? names[end] : "unknown";
}
