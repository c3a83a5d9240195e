// SPDX-License-Identifier: BSD-2-Clause
/*
 * Forward: from a return address to where the function gives back its frame: $ra loaded from the
 * stack, sp raised, and then a return or a jump. Nothing is executed; both ways of a branch are
 * open, the straight one first. What calls do is ignored, but that they clobber $ra.
 */
#include <string.h>

#include "track.h"

#define NR_WAYS	 48 /* branches not yet taken */
#define NR_SPANS 48 /* stretches of code already read */

struct forward {
	struct mips_track track; /* of the way that is followed */
	int budget;
	struct mips_insn insn;
	unsigned nr_ways, nr_spans;
	unsigned nr_sure; /* of the ways: those from before the last call */
	struct mips_state ways[NR_WAYS];
	struct {
		mips_addr_t lo, hi;
	} spans[NR_SPANS];
	mips_addr_t started; /* of the stretch being read */
	mips_addr_t limit;   /* where the next one read already begins */
};

/* A return by a register that still holds what it did when the signal came. */
static bool is_leaf_return(const struct forward *scan, struct mips_rule *rule)
{
	const struct mips_state *now = &scan->track.now;

	if (!scan->track.exact || now->ra_lost || scan->insn.src != MIPS_RA)
		return false;
	mips_track__is_given_back(&scan->track, rule);
	return now->base != BASE_NONE && now->sp >= 0;
}

/* A stretch ends before pc. */
static void end_span(struct forward *scan, mips_addr_t pc)
{
	if (scan->nr_spans < NR_SPANS && pc > scan->started) {
		scan->spans[scan->nr_spans].lo = scan->started;
		scan->spans[scan->nr_spans++].hi = pc;
	}
}

/* Begins a stretch at the state's pc, unless that was read already. */
static bool begin_span(struct forward *scan)
{
	mips_addr_t pc = scan->track.now.pc;
	unsigned i;

	scan->started = pc;
	if (!mips_code__enter(&scan->track.scan, pc))
		return false;
	scan->limit = scan->track.scan.code.hi;
	for (i = 0; i < scan->nr_spans; i++) {
		if (pc >= scan->spans[i].lo && pc < scan->spans[i].hi)
			return false;
		if (scan->spans[i].lo > pc && scan->spans[i].lo < scan->limit)
			scan->limit = scan->spans[i].lo;
	}
	return true;
}

static void open_way(struct forward *scan, mips_addr_t target)
{
	if (scan->nr_ways < NR_WAYS && scan->track.now.base != BASE_NONE) {
		scan->ways[scan->nr_ways] = scan->track.now;
		scan->ways[scan->nr_ways++].pc = target;
	}
}

/* The instruction in the delay slot; it must not be a branch. */
static enum mips_outcome apply_delay(struct forward *scan)
{
	mips_addr_t pc = scan->track.now.pc + 4;
	struct mips_insn insn;

	if (!scan->insn.delay)
		return TRACK_GO_ON;
	if (!mips_code__insn(&scan->track.scan, pc, &insn) ||
	    (insn.kind >= INSN_BRANCH && insn.kind <= INSN_CALL))
		return TRACK_DEAD;
	return mips_track__apply(&scan->track, &insn, pc);
}

static enum mips_outcome do_branch(struct forward *scan, mips_addr_t next)
{
	struct mips_state before = scan->track.now;
	enum mips_outcome outcome = apply_delay(scan);

	/* The head of another function behind a branch: neither way is of this one. */
	if (outcome != TRACK_GO_ON && !scan->insn.likely)
		return outcome;
	if (outcome == TRACK_GO_ON)
		open_way(scan, scan->insn.target);
	if (scan->insn.likely)
		scan->track.now = before;
	scan->track.now.pc = next;
	return TRACK_GO_ON;
}

/*
 * Behind the jump through a table its cases follow, and nothing of the frame is undone there. But
 * no function returns, or calls its last one by $t9, without $ra.
 */
static enum mips_outcome behind_jump(struct forward *scan, const struct mips_state *first,
				     mips_addr_t next)
{
	bool ra_lost = scan->track.now.ra_lost;

	if (scan->insn.src == MIPS_RA || scan->insn.src == MIPS_T9)
		return TRACK_OTHER;
	scan->track.now = *first;
	scan->track.now.pc = next;
	scan->track.now.ra_lost = ra_lost;
	scan->track.known = 0;
	return TRACK_GO_ON;
}

static enum mips_outcome step(struct forward *scan, const struct mips_state *first,
			      struct mips_rule *rule)
{
	mips_addr_t pc = scan->track.now.pc, next;
	enum mips_outcome outcome;

	if (!mips_code__insn(&scan->track.scan, pc, &scan->insn))
		return TRACK_DEAD;
	next = pc + (scan->insn.delay ? 8 : 4);
	switch (scan->insn.kind) {
	case INSN_BRANCH:
		return do_branch(scan, next);
	case INSN_JUMP:
		outcome = apply_delay(scan);
		if (outcome != TRACK_GO_ON || mips_track__is_given_back(&scan->track, rule))
			return outcome == TRACK_GO_ON ? TRACK_FOUND : outcome;
		end_span(scan, next);
		scan->track.now.pc = scan->insn.target;
		return begin_span(scan) ? TRACK_GO_ON : TRACK_DEAD;
	case INSN_JR:
		outcome = apply_delay(scan);
		if (outcome != TRACK_GO_ON)
			return outcome;
		if (mips_track__is_given_back(&scan->track, rule) || is_leaf_return(scan, rule))
			return TRACK_FOUND;
		return behind_jump(scan, first, next);
	case INSN_CALL:
		outcome = apply_delay(scan);
		scan->track.known = 0;
		scan->track.now.ra.known = false;
		scan->track.now.ra_lost = true;
		scan->nr_sure = scan->nr_ways;
		break;
	default:
		outcome = mips_track__apply(&scan->track, &scan->insn, pc);
		break;
	}
	scan->track.now.pc = next;
	return outcome;
}

/* Follows one way to its end. */
static enum mips_outcome follow(struct forward *scan, const struct mips_state *first,
				struct mips_rule *rule)
{
	enum mips_outcome outcome = begin_span(scan) ? TRACK_GO_ON : TRACK_DEAD;

	if (outcome == TRACK_DEAD)
		return TRACK_DEAD;
	scan->nr_sure = scan->nr_ways;
	while (outcome == TRACK_GO_ON && scan->budget-- > 0) {
		/* Joins what was read before, and led nowhere. */
		if (scan->track.now.pc >= scan->limit)
			break;
		outcome = step(scan, first, rule);
	}
	end_span(scan, scan->track.now.pc);
	if (outcome == TRACK_OTHER)
		scan->nr_ways = scan->nr_sure;
	return outcome == TRACK_FOUND ? TRACK_FOUND : TRACK_DEAD;
}

bool mips_forward__scan(const struct mips_unwind *unwind, mips_addr_t pc, bool exact,
			struct mips_rule *rule)
{
	struct mips_state first = { .pc = pc, .base = BASE_SP, .ra_lost = !exact };
	struct forward scan;

	scan.track.scan = (struct mips_scan){ .unwind = unwind };
	scan.track.exact = exact;
	scan.budget = MIPS_FORWARD_BUDGET;
	scan.track.known = 0;
	memset(scan.track.values, 0, sizeof(scan.track.values));
	scan.nr_ways = scan.nr_spans = 0;
	scan.track.now = first;
	/* The function is the call's: behind one that does not return another may begin. */
	if (!mips_code__enter(&scan.track.scan, exact ? pc : pc - 4) ||
	    pc - scan.track.scan.code.lo >= scan.track.scan.code.hi - scan.track.scan.code.lo)
		return false;
	while (follow(&scan, &first, rule) != TRACK_FOUND) {
		if (!scan.nr_ways || scan.budget <= 0)
			return false;
		scan.track.now = scan.ways[--scan.nr_ways];
		scan.track.known = 0;
	}
	return true;
}
