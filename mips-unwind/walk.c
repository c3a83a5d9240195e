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
	mips_addr_t fp_end; /* behind ra and the fp saved last, above all that was before; 0: none was */
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
MIPS_INLINE bool find_rule(const struct mips_cache *cache, char *entries, mips_addr_t mask,
			   mips_addr_t key, mips_addr_t pc, mips_addr_t *packed)
{
	if (LIKELY(mips_cache__read(mips_cache__entry(entries, mask, pc, 0), key, pc, packed)))
		return true;
	return mips_cache__read(mips_cache__entry(entries, mask, pc, cache->flip), key, pc, packed);
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
 * The frames that are known, from frames[nr] on. When it returns, *at is at a frame yet to be done,
 * unless *complete: that was the last. What an entry says was tested when it was made: its pc is
 * behind a call, what it reads is within its frame, so that only the frame's end is left to look
 * at. Most walks are nothing else, and few instructions a frame.
 */
MIPS_INLINE unsigned walk_known(const struct mips_unwind *unwind, const struct mips_window *stack,
				mips_addr_t key, struct mips_cursor *cursor, mips_addr_t *frames,
				unsigned nr, unsigned max, bool *complete)
{
	const struct mips_cache *cache = unwind->cache;
	const mips_addr_t slot_bytes = mips__slot_bytes(&unwind->machine);
	const mips_addr_t mask = cache->mask, hi = stack->hi;
	char *const entries = (char *)cache->entries;
	struct known at = { cursor->pc, cursor->sp, cursor->fp, 0 };
	mips_addr_t *out = frames + nr, packed, end;

	for (; LIKELY(out != frames + max); out++) {
		if (!LIKELY(find_rule(cache, entries, mask, key, at.pc, &packed)))
			break;
		*out = at.pc;
		end = at.sp + RULE_PLAIN_CFA(packed);
		/* Neither a special rule, nor a frame that leaves the window. */
		if (LIKELY(end <= hi)) {
			at.sp = end;
			at.fp_end = packed & RULE_PLAIN_FP ? end : at.fp_end;
			at.pc = mips_window__slot(unwind, stack, end - slot_bytes);
		} else if (!pass_special(unwind, stack, packed, &at)) {
			*complete = packed == RULE_PACKED_BOTTOM;
			out += *complete;
			break;
		}
	}
	if (!*complete) {
		cursor->pc = at.pc;
		cursor->sp = at.sp;
		cursor->fp = known_fp(unwind, stack, &at);
	}
	return (unsigned)(out - frames);
}

/* Whether walk_known may begin here: at an aligned place in a window that it can tell the end of. */
MIPS_INLINE bool can_walk_known(const struct mips_unwind *unwind, const struct mips_window *stack,
				const struct mips_cursor *at)
{
	return unwind->cache && unwind->cache->entries && !at->exact && at->sp >= stack->lo &&
	       stack->hi - at->sp < MIPS_CACHE_MAX_WINDOW && !(stack->hi & RULE_SPECIAL) &&
	       at->sp % mips__slot_bytes(&unwind->machine) == 0;
}

/* The rest of a walk that begins, or goes on, with a frame that is not known. */
static __attribute__((noinline)) void walk_on(struct mips_walk *walk)
{
	struct mips_trace *trace = walk->trace;
	bool complete = false;

	if (walk->stack.lo > walk->stack.hi)
		walk->stack.lo = walk->stack.hi = 0;
	for (;;) {
		if (walk->at.sp % mips__slot_bytes(&walk->unwind->machine)) {
			trace->end = MIPS_END_STACK;
			return;
		}
		if (can_walk_known(walk->unwind, &walk->stack, &walk->at))
			trace->nr_frames =
				walk_known(walk->unwind, &walk->stack, walk->key, &walk->at,
					   walk->frames, trace->nr_frames, walk->max, &complete);
		if (complete || !mips_walk__step(walk))
			return;
	}
}

/* What is left after the known frames, out of the way of walks that need nothing else. */
static __attribute__((noinline)) void walk_unknown(const struct mips_unwind *unwind,
						   const struct mips_cursor *at,
						   const struct mips_window *stack, mips_addr_t key,
						   mips_addr_t *frames, unsigned max,
						   struct mips_trace *trace)
{
	struct mips_walk walk = {
		.unwind = unwind,
		.stack = *stack,
		.at = *at,
		.key = key,
		.frames = frames,
		.max = max,
		.trace = trace,
	};

	walk_on(&walk);
}

void mips_unwind__walk(const struct mips_unwind *unwind, const struct mips_cursor *cursor,
		       const struct mips_window *stack, mips_addr_t *frames, unsigned max,
		       struct mips_trace *trace)
{
	mips_addr_t key = unwind->cache ? mips_cache__key(unwind->cache) : 0;
	struct mips_cursor at = *cursor;
	bool complete = false;
	unsigned nr = 0;

	if (LIKELY(can_walk_known(unwind, stack, &at)))
		nr = walk_known(unwind, stack, key, &at, frames, 0, max, &complete);
	trace->nr_frames = nr;
	trace->nr_exact = 0;
	trace->end = MIPS_END_BOTTOM;
	if (!LIKELY(complete)) {
		struct mips_cursor rest = at;

		walk_unknown(unwind, &rest, stack, key, frames, max, trace);
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
