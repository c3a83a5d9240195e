// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames, one after the other. Those whose rules are in the cache and whose registers are in the
 * window are walked by walk_known, which is all that a repeated stack costs; what stops it, one
 * frame at a time is done by step: rules to be scanned for, signal frames, other stacks, ends.
 */
#include "internal.h"

/* Begins what is rare. Else gcc fills the delay slot of the branch to it with an instruction from
 * here, not with one of the usual way; a use of pc keeps that in a register that the branch does
 * not need. Two instructions a frame. */
#define OUT_OF_THE_WAY(pc) __asm__ volatile("" : : "r"(pc))
/* Compiled for size. */
#define COLD		  __attribute__((noinline, cold))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* Where a walk over known frames stands. */
struct known {
	mips_addr_t pc, sp;
	mips_addr_t fp;	    /* where it began */
	mips_addr_t fp_end; /* behind ra and the fp saved last, above all that was before; 0: none
			       was */
	/* Of a walk that notes where it has been: the slots of return addresses. */
	mips_addr_t *slot; /* of the one to come */
	const mips_addr_t *end_slot;
	bool by_fp;	 /* a frame was found by fp */
	bool is_missing; /* the rule it needs to go on */
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
		if (!LIKELY(find_rule(entries, mask, key, at->pc, &packed))) {
			at->is_missing = true;
			break;
		}
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

/* Whether walk_known may go on here: at an aligned place in a window that is not too large. */
static bool can_walk_known(const struct mips_walk *walk)
{
	const struct mips_window *stack = &walk->stack;
	const struct mips_cache *cache = walk->unwind->cache;

	return cache && cache->entries && !walk->at.exact && walk->at.sp >= stack->lo &&
	       stack->hi - walk->at.sp < MIPS_CACHE_MAX_WINDOW && !(stack->hi & RULE_SPECIAL) &&
	       walk->at.sp % mips__slot_bytes(&walk->unwind->machine) == 0;
}

/* Whether none of the words has changed that led the last walk to the bottom. */
MIPS_INLINE bool is_same(const struct mips_last *last)
{
	const mips_addr_t *pc = last->pcs, *end = last->pcs + last->nr_frames;

	while (++pc != end)
		if (mips_window__slot(last->unwind, &last->stack, pc[MIPS_LAST_FRAMES]) != *pc)
			return false;
	return true;
}

/* Keeps a whole stack. Should a signal handler end this for good, nothing is kept. */
static void keep(struct mips_last *last, mips_addr_t key, const mips_addr_t *frames,
		 const mips_addr_t *slots, unsigned nr_frames)
{
	memcpy(last->pcs, frames, nr_frames * sizeof(*frames));
	memcpy(last->slots, slots, nr_frames * sizeof(*slots));
	do
		last->kept++;
	while (!last->kept || last->kept == last->known);
	last->serial = last->kept;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	last->key = key;
}

/*
 * What is known of a walk from where it stands, fp followed. False: the last was the outermost.
 * last: keeps it, if it is whole and fp was not needed; NULL: nothing does.
 */
static __attribute__((noinline)) bool walk_noting(struct mips_walk *walk, struct mips_last *last)
{
	mips_addr_t slots[MIPS_LAST_FRAMES];
	struct known at = { .pc = walk->at.pc,
			    .sp = walk->at.sp,
			    .fp = walk->at.fp,
			    .slot = slots + 1,
			    .end_slot = slots + MIPS_LAST_FRAMES };
	mips_addr_t *out = walk->frames + walk->trace->nr_frames;
	bool more = out == walk->end ||
		    walk_known(walk->unwind, &walk->stack, &at, &out, walk->end, true);

	walk->trace->nr_frames = (unsigned)(out - walk->frames);
	if (last)
		last->by_fp = at.by_fp;
	if (more) {
		walk->at.pc = at.pc;
		walk->at.sp = at.sp;
		walk->at.fp = known_fp(walk->unwind, &walk->stack, &at);
	} else if (last && !at.by_fp && walk->trace->nr_frames <= MIPS_LAST_FRAMES) {
		keep(last, walk->key, walk->frames, slots, walk->trace->nr_frames);
	}
	return more;
}

/*
 * What a walk that was tried in vain counts: much, where there was not room, which the next will
 * hardly have; or a rule was missing. From MAX_FAILURES on, one of NR_PAUSES is tried.
 */
#define LASTING_FAILURE 16
#define MAX_FAILURES	32
#define NR_PAUSES	8

/* A walk that needs fp, or may be one of many: to be kept. Returns 0 if it is not all known. */
static COLD unsigned walk_and_keep(struct mips_last *last, mips_addr_t fp, mips_addr_t *frames,
				   unsigned max)
{
	struct mips_trace trace = { 0 };
	struct mips_walk walk = { .unwind = last->unwind,
				  .stack = last->stack,
				  .at = { .pc = last->pc, .sp = last->sp, .fp = fp },
				  .key = mips_cache__key(last->unwind->cache),
				  .frames = frames,
				  .end = frames + max,
				  .trace = &trace };

	last->repeats = false;
	last->serial = 0;
	if (walk_noting(&walk, last))
		return 0;
	last->repeats = last->key != 0;
	last->nr_failures = last->by_fp ? MAX_FAILURES : 0;
	last->nr_frames = trace.nr_frames;
	return trace.nr_frames;
}

/* What is kept, as the caller needs it. */
static unsigned give(struct mips_last *last, mips_addr_t *frames)
{
	last->serial = last->kept;
	if (last->kept != last->known)
		memcpy(frames, last->pcs, last->nr_frames * sizeof(*frames));
	return last->nr_frames;
}

unsigned mips_unwind__walk_warm(struct mips_last *last, mips_addr_t pc, mips_addr_t sp,
				mips_addr_t fp, mips_addr_t *frames, unsigned max)
{
	bool begins_so = pc == last->pc && sp == last->sp;
	struct known at = { .pc = pc, .sp = sp };
	mips_addr_t *out = frames;
	unsigned nr_frames;

	if (begins_so && last->repeats) {
		if (!last->key)
			return walk_and_keep(last, fp, frames, max);
		if (last->key == mips_cache__key(last->unwind->cache) && is_same(last))
			return give(last, frames);
	}
	last->key = 0;
	last->serial = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	last->pc = pc;
	last->sp = sp;
	if (!LIKELY(last->nr_failures < MAX_FAILURES)) {
		if (last->by_fp)
			return walk_and_keep(last, fp, frames, max);
		if (++last->nr_failures % NR_PAUSES)
			return 0;
	}
	if (!LIKELY(!walk_known(last->unwind, &last->stack, &at, &out, frames + max, false))) {
		if (at.by_fp)
			return walk_and_keep(last, fp, frames, max);
		if (last->nr_failures < MAX_FAILURES)
			last->nr_failures += at.is_missing ? 1 : LASTING_FAILURE;
		return 0;
	}
	nr_frames = (unsigned)(out - frames);
	last->nr_failures = 0;
	last->repeats = begins_so && nr_frames == last->nr_frames;
	last->nr_frames = nr_frames;
	return nr_frames;
}

COLD void mips_unwind__walk(const struct mips_unwind *unwind, const struct mips_cursor *cursor,
			    const struct mips_window *stack, mips_addr_t *frames, unsigned max,
			    struct mips_trace *trace)
{
	struct mips_walk walk = { unwind, *stack, *cursor, 0, frames, frames + max, trace };

	trace->nr_frames = 0;
	trace->nr_exact = 0;
	trace->end = MIPS_END_BOTTOM;
	if (walk.stack.lo > walk.stack.hi)
		walk.stack.lo = walk.stack.hi = 0;
	walk.key = unwind->cache ? mips_cache__key(unwind->cache) : 0;
	while (!can_walk_known(&walk) || walk_noting(&walk, NULL)) {
		if (walk.at.sp % mips__slot_bytes(&unwind->machine)) {
			trace->end = MIPS_END_STACK;
			return;
		}
		if (!mips_walk__step(&walk))
			return;
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
