// SPDX-License-Identifier: BSD-2-Clause
/*
 * One frame, of any kind: its rule is looked up or scanned for, its registers are wherever they
 * are. Slow and rare; what is known and in the window is done by walk.c.
 */
#include <string.h>

#include "internal.h"

/* Larger than any stack: where its end is not known. */
#define MAX_STACK ((mips_addr_t)1 << 30)

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
		*value = mips_window__slot(walk->unwind, &walk->stack, address);
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

	if (walk->frames + trace->nr_frames == walk->end)
		return false;
	walk->frames[trace->nr_frames] = walk->at.pc;
	if (walk->at.exact)
		trace->exact[trace->nr_exact++] = trace->nr_frames;
	trace->nr_frames++;
	return true;
}

bool mips_walk__step(struct mips_walk *walk)
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
