// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames, one after the other. Those whose rules are in the cache and whose registers are in the
 * window are walked by walk_known, which is all that a repeated stack costs; what stops it, one
 * frame at a time is done by step: rules to be scanned for, signal frames, other stacks, ends.
 */
#include <string.h>

#include "internal.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* Larger than any stack: where its end is not known. */
#define MAX_STACK ((mips_addr_t)1 << 30)

/* A saved register that is in the window. */
static inline mips_addr_t window_slot(const struct mips_unwind *unwind,
				      const struct mips_window *stack, mips_addr_t address)
{
	const void *at = mips_window__at(stack, address);
#ifdef MIPS_UNWIND_SELF
	typedef mips_addr_t __attribute__((may_alias)) slot_t;

	(void)unwind;
	/* A slot of n32 is wider than an address. */
	return ((const slot_t *)at)[MIPS_SELF_N32 && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__];
#else
	const struct mips_machine *machine = &unwind->machine;
	uint64_t wide;
	uint32_t narrow;

	if (mips__slot_bytes(machine) == 4) {
		memcpy(&narrow, at, sizeof(narrow));
		return mips__swapped(machine) ? __builtin_bswap32(narrow) : narrow;
	}
	memcpy(&wide, at, sizeof(wide));
	return mips__address(machine, mips__swapped(machine) ? __builtin_bswap64(wide) : wide);
#endif
}

/*
 * The frames that are known, from frames[nr] on. When it returns, *at is at a frame yet to be done,
 * unless *complete: that was the last. What an entry says was tested when it was made: its pc is
 * behind a call, what it reads is within its frame, so that only the frame's end is left to look
 * at. Most walks are nothing else, and few instructions a frame.
 */
static inline __attribute__((always_inline)) unsigned
walk_known(const struct mips_unwind *unwind, const struct mips_window *stack, mips_addr_t key,
	   struct mips_cursor *at, mips_addr_t *frames, unsigned nr, unsigned max, bool *complete)
{
	const struct mips_cache *cache = unwind->cache;
	const mips_addr_t slot_bytes = mips__slot_bytes(&unwind->machine);
	const mips_addr_t mask = cache->mask, hi = stack->hi;
	char *const entries = (char *)cache->entries;
	mips_addr_t pc = at->pc, sp = at->sp, fp = at->fp, packed, slot;
	mips_addr_t *out = frames + nr;
	mips_addr_t *const end = frames + max;

	for (; LIKELY(out != end); out++) {
		const struct mips_cache_entry *entry = mips_cache__entry(entries, mask, pc, 0);

		if (!LIKELY(mips_cache__read(entry, key, pc, &packed))) {
			entry = mips_cache__entry(entries, mask, pc, cache->flip);
			if (!mips_cache__read(entry, key, pc, &packed))
				break;
		}
		if (LIKELY(RULE_KIND(packed) == RULE_SP)) {
			if (!LIKELY(sp + RULE_CFA(packed) <= hi))
				break;
			sp += RULE_CFA(packed);
			*out = pc;
			pc = window_slot(unwind, stack, sp - RULE_RA(packed));
			continue;
		}
		if (!LIKELY(RULE_KIND(packed) == RULE_SP_FP)) {
			*complete = RULE_KIND(packed) == RULE_BOTTOM;
			if (*complete)
				*out++ = pc;
			if (RULE_KIND(packed) != RULE_FP || fp < sp || fp > hi || fp % slot_bytes ||
			    fp + RULE_CFA(packed) > hi)
				break;
			sp = fp;
		} else if (!LIKELY(sp + RULE_CFA(packed) <= hi)) {
			break;
		}
		sp += RULE_CFA(packed);
		slot = sp - RULE_RA(packed);
		*out = pc;
		pc = window_slot(unwind, stack, slot);
		fp = window_slot(unwind, stack, slot - slot_bytes);
	}
	at->pc = pc;
	at->sp = sp;
	at->fp = fp;
	return (unsigned)(out - frames);
}

/* Whether sp is a place that walk_known may begin at: aligned, and in the window. */
static inline bool can_walk_known(const struct mips_unwind *unwind, const struct mips_window *stack,
				  const struct mips_cursor *at)
{
	/* No frame that ends beyond the window wraps around. */
	return unwind->cache && unwind->cache->entries && !at->exact && at->sp >= stack->lo &&
	       at->sp <= stack->hi && stack->hi < ~(mips_addr_t)0 - MIPS_CACHE_MAX_CFA &&
	       at->sp % mips__slot_bytes(&unwind->machine) == 0;
}

/* A saved register, wherever it is. */
static bool read_slot(const struct mips_walk *walk, mips_addr_t address, mips_addr_t *value)
{
	const struct mips_memory *memory = &walk->unwind->memory;
	const struct mips_machine *machine = &walk->unwind->machine;
	unsigned nr_bytes = mips__slot_bytes(machine);
	uint64_t wide;
	uint32_t narrow;

	if (address % nr_bytes)
		return false;
	if (mips_window__holds(&walk->stack, address, nr_bytes)) {
		*value = window_slot(walk->unwind, &walk->stack, address);
		return true;
	}
	if (nr_bytes == 4) {
		if (!memory->read(memory->env, address, &narrow, sizeof(narrow)))
			return false;
		*value = mips__swapped(machine) ? __builtin_bswap32(narrow) : narrow;
		return true;
	}
	if (!memory->read(memory->env, address, &wide, sizeof(wide)))
		return false;
	*value = mips__address(machine, mips__swapped(machine) ? __builtin_bswap64(wide) : wide);
	return true;
}

/* Where the stack that holds an address ends. */
static mips_addr_t end_of_stack(const struct mips_walk *walk, mips_addr_t address)
{
	if (mips_window__holds(&walk->stack, address, 0))
		return walk->stack.hi;
	return address < ~(mips_addr_t)0 - MAX_STACK ? address + MAX_STACK : ~(mips_addr_t)0;
}

/* Goes to the caller; the walk is left alone but on success. */
static enum mips_end apply(struct mips_walk *walk, const struct mips_rule *rule)
{
	mips_addr_t base = rule->kind == RULE_FP ? walk->at.fp : walk->at.sp;
	mips_addr_t hi = end_of_stack(walk, walk->at.sp), ra = walk->at.ra, fp = walk->at.fp, cfa;

	if (base < walk->at.sp || base > hi || base % mips__slot_bytes(&walk->unwind->machine) ||
	    rule->cfa > hi - base)
		return MIPS_END_STACK;
	cfa = base + rule->cfa;
	/* Only an interrupted leaf has no frame. */
	if (cfa == walk->at.sp && !walk->at.exact)
		return MIPS_END_STACK;
	if ((rule->ra && !read_slot(walk, cfa - rule->ra, &ra)) ||
	    (rule->fp && !read_slot(walk, cfa - rule->fp, &fp)))
		return MIPS_END_MEMORY;
	walk->at.pc = ra;
	walk->at.sp = cfa;
	walk->at.fp = fp;
	walk->at.exact = false;
	return MIPS_END_BOTTOM;
}

static bool is_plausible(const struct mips_walk *walk, const struct mips_rule *rule)
{
	struct mips_walk tried = *walk;

	return apply(&tried, rule) == MIPS_END_BOTTOM &&
	       mips_code__check(walk->unwind, tried.at.pc, false) == MIPS_END_BOTTOM;
}

/*
 * Finds the rule of the walk's pc that gives an acceptable caller: forward, else backward. Where
 * none does, the likeliest, or RULE_NONE.
 */
static struct mips_rule find_rule(const struct mips_walk *walk)
{
	const struct mips_unwind *unwind = walk->unwind;
	struct mips_rule rules[3] = { { .kind = RULE_NONE } };
	unsigned nr = 0, i;

	if (!walk->at.exact && mips_signal__is_trampoline(unwind, walk->at.pc))
		return (struct mips_rule){ .kind = RULE_SIGNAL };
	if (!walk->at.exact && (walk->at.pc - 8 - unwind->entry < MIPS_ENTRY_BYTES ||
				mips_code__is_bottom(unwind, walk->at.pc)))
		return (struct mips_rule){ .kind = RULE_BOTTOM };
	if (mips_forward__scan(unwind, walk->at.pc, walk->at.exact, &rules[0])) {
		if (is_plausible(walk, &rules[0]))
			return rules[0];
		nr = 1;
	}
	nr += mips_backward__scan(unwind, walk->at.pc, &rules[nr]);
	for (i = 0; i < nr; i++)
		if (is_plausible(walk, &rules[i]))
			return rules[i];
	return rules[0];
}

/* The rule of the walk's pc, from the cache or into it. False: pc is not acceptable; *end. */
static bool rule_of(const struct mips_walk *walk, struct mips_rule *rule, enum mips_end *end)
{
	if (!walk->at.exact && mips_cache__get(walk, rule))
		return true;
	*end = mips_code__check(walk->unwind, walk->at.pc, walk->at.exact);
	if (*end != MIPS_END_BOTTOM)
		return false;
	*rule = find_rule(walk);
	if (!walk->at.exact)
		mips_cache__put(walk, rule);
	return true;
}

static bool add_frame(struct mips_walk *walk)
{
	struct mips_trace *trace = walk->trace;

	if (trace->nr_frames == walk->max)
		return false;
	walk->frames[trace->nr_frames] = walk->at.pc;
	if (walk->at.exact)
		trace->exact[trace->nr_exact++] = trace->nr_frames;
	trace->nr_frames++;
	return true;
}

/* One frame. False: the walk is over, for trace->end. */
static __attribute__((noinline)) bool step(struct mips_walk *walk)
{
	struct mips_trace *trace = walk->trace;
	struct mips_rule rule;

	if (!rule_of(walk, &rule, &trace->end))
		return false;
	if (rule.kind == RULE_SIGNAL) {
		trace->end = trace->nr_exact == MIPS_MAX_EXACT ? MIPS_END_SIGNAL
							       : mips_signal__restore(walk);
		return trace->end == MIPS_END_BOTTOM;
	}
	if (!add_frame(walk)) {
		trace->end = MIPS_END_FULL;
		return false;
	}
	if (rule.kind == RULE_NONE)
		trace->end = MIPS_END_SCAN;
	else if (rule.kind != RULE_BOTTOM)
		trace->end = apply(walk, &rule);
	return rule.kind != RULE_NONE && rule.kind != RULE_BOTTOM && trace->end == MIPS_END_BOTTOM;
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
		if (complete || !step(walk))
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

	if (can_walk_known(unwind, stack, &at))
		nr = walk_known(unwind, stack, key, &at, frames, 0, max, &complete);
	trace->nr_frames = nr;
	trace->nr_exact = 0;
	trace->end = MIPS_END_BOTTOM;
	if (!complete)
		walk_unknown(unwind, &at, stack, key, frames, max, trace);
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
