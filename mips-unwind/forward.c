// SPDX-License-Identifier: BSD-2-Clause
/*
 * Forward: from a return address to where the function gives back its frame: $ra loaded from the
 * stack, sp raised, and then a return or a jump. Nothing is executed; both ways of a branch are
 * open, the straight one first. What calls do is ignored, but that they clobber $ra.
 */
#include <string.h>

#include "internal.h"

#define NR_WAYS	     48 /* branches not yet taken */
#define NR_SPANS     48 /* stretches of code already read */
#define NR_INLINE    12 /* instructions of a system call with a frame of its own */
#define NR_REGISTERS 32

/* Where a register was loaded from: base + at. */
struct slot {
	bool known;
	uint8_t base; /* enum mips_base */
	int32_t at;
};

/* What is known at a place: of sp, relative to what sp or fp were where the scan began. */
struct state {
	mips_addr_t pc;
	int32_t sp;
	uint8_t base;  /* of sp */
	bool ra_lost;  /* the value it had at the start is no longer in the register */
	bool fp_is_sp; /* fp was set to what sp was: base BASE_SP, fp_at */
	bool fp_lost;  /* fp is something else now */
	int32_t fp_at;
	struct slot ra, fp;
	struct slot ra_saved; /* where this scan saw the register stored, not lost yet */
};

struct forward {
	struct mips_scan scan;
	bool exact;
	int budget;
	struct state now;
	struct mips_insn insn;
	uint32_t known; /* registers with a constant */
	int32_t values[NR_REGISTERS];
	unsigned nr_ways, nr_spans;
	unsigned nr_sure; /* of the ways: those from before the last call */
	struct state ways[NR_WAYS];
	struct {
		mips_addr_t lo, hi;
	} spans[NR_SPANS];
	mips_addr_t started; /* of the stretch being read */
	mips_addr_t limit;   /* where the next one read already begins */
};

enum outcome {
	GO_ON,
	DEAD,
	OTHER, /* dead, for this is another function: the call before it did not return */
	FOUND,
};

static bool is_known(const struct forward *scan, unsigned reg)
{
	return reg == MIPS_ZERO || scan->known >> reg & 1;
}

static int32_t value_of(const struct forward *scan, unsigned reg)
{
	return reg == MIPS_ZERO ? 0 : scan->values[reg];
}

/* Constants, of which large frames are made. */
static void track_constant(struct forward *scan, const struct mips_insn *insn)
{
	uint32_t value = (uint32_t)value_of(scan, insn->src), bit = 1u << insn->dst;
	bool known = is_known(scan, insn->src);

	if (insn->dst == MIPS_ZERO)
		return;
	if (insn->kind == INSN_LUI) {
		value = (uint32_t)insn->imm;
		known = true;
	} else if (insn->kind == INSN_ADDI) {
		value += (uint32_t)insn->imm;
	} else if (insn->kind == INSN_ORI) {
		value |= (uint32_t)insn->imm;
	} else {
		known = false;
	}
	scan->known = known ? scan->known | bit : scan->known & ~bit;
	scan->values[insn->dst] = (int32_t)value;
}

#define MAX_FRAME (1 << 30)

/* sp = base + at, as it was before + by. */
static enum outcome set_sp(struct state *now, uint8_t base, int64_t at)
{
	if (at > MAX_FRAME || at < -MAX_FRAME)
		base = BASE_NONE;
	now->base = base;
	now->sp = base == BASE_NONE ? 0 : (int32_t)at;
	return GO_ON;
}

/*
 * A system call with arguments on the stack lowers sp around it: "addiu sp,-32; ... syscall; addiu
 * sp,32" within a function of C.
 */
static bool is_inline_call(struct forward *scan, mips_addr_t pc, int32_t down)
{
	struct mips_insn insn;
	bool called = false;
	unsigned i;

	for (i = 0; i < NR_INLINE; i++) {
		pc += 4;
		if (!mips_code__insn(&scan->scan, pc, &insn))
			return false;
		if (insn.kind == INSN_SYSCALL)
			called = true;
		else if (insn.kind >= INSN_BRANCH)
			return false;
		if (insn.dst == MIPS_SP)
			return called && insn.kind == INSN_ADDI && insn.src == MIPS_SP &&
			       insn.imm == -down;
	}
	return false;
}

/* sp goes down by a constant: a function begins here, and it is another one. */
static enum outcome lower_sp(struct forward *scan, mips_addr_t pc, int32_t by)
{
	struct state *now = &scan->now;

	/* Unless no call was passed: then a signal may have interrupted what comes before. */
	if ((scan->exact && !now->ra_lost && now->base == BASE_SP) || is_inline_call(scan, pc, by))
		return set_sp(now, now->base, (int64_t)now->sp + by);
	return OTHER;
}

static enum outcome write_sp(struct forward *scan, const struct mips_insn *insn, mips_addr_t pc)
{
	struct state *now = &scan->now;
	unsigned src = insn->src, other = insn->other;
	int64_t by = 0;
	bool known = false;

	if (insn->kind == INSN_ADD && src != MIPS_SP && src != MIPS_FP) {
		src = insn->other;
		other = insn->src;
	}
	if (insn->kind == INSN_ADDI) {
		by = insn->imm;
		known = true;
	} else if ((insn->kind == INSN_ADD || insn->kind == INSN_SUB) && is_known(scan, other)) {
		by = value_of(scan, other);
		by = insn->kind == INSN_SUB ? -by : by;
		known = true;
	}
	if (!known || by > MAX_FRAME || by < -MAX_FRAME)
		return set_sp(now, BASE_NONE, 0);
	if (src == MIPS_SP && by < 0)
		return lower_sp(scan, pc, (int32_t)by);
	if (src == MIPS_SP)
		return set_sp(now, now->base, now->sp + by);
	if (src == MIPS_FP && now->fp_is_sp)
		return set_sp(now, BASE_SP, now->fp_at + by);
	if (src == MIPS_FP && !now->fp_lost)
		return set_sp(now, BASE_FP, by);
	return set_sp(now, BASE_NONE, 0);
}

/* The slot a load or a store is about. */
static struct slot slot_of(const struct state *now, const struct mips_insn *insn)
{
	struct slot slot = { false, BASE_NONE, 0 };

	if (insn->src == MIPS_SP && now->base != BASE_NONE)
		slot = (struct slot){ true, now->base, now->sp + insn->imm };
	else if (insn->src == MIPS_FP && now->fp_is_sp)
		slot = (struct slot){ true, BASE_SP, now->fp_at + insn->imm };
	else if (insn->src == MIPS_FP && !now->fp_lost)
		slot = (struct slot){ true, BASE_FP, insn->imm };
	return slot;
}

static void write_fp(struct state *now, const struct mips_insn *insn)
{
	now->fp.known = false;
	now->fp_is_sp = false;
	now->fp_lost = true;
	if (insn->kind == INSN_LOAD)
		now->fp = slot_of(now, insn);
	else if (insn->kind == INSN_ADDI && insn->src == MIPS_SP && now->base == BASE_SP) {
		now->fp_is_sp = true;
		now->fp_at = now->sp + insn->imm;
	}
}

/* An instruction that is no branch. */
static enum outcome apply(struct forward *scan, const struct mips_insn *insn, mips_addr_t pc)
{
	struct state *now = &scan->now;

	if (insn->kind == INSN_BREAK)
		return DEAD;
	if (insn->kind == INSN_SYSCALL && is_known(scan, MIPS_V0) &&
	    mips_code__is_exit(&scan->scan.unwind->machine, value_of(scan, MIPS_V0)))
		return DEAD;
	/* Only the head of a function sets gp so. */
	if (insn->kind == INSN_LUI && insn->dst == MIPS_GP && !scan->exact)
		return OTHER;
	if (insn->kind == INSN_STORE && insn->other == MIPS_RA && !now->ra_lost)
		now->ra_saved = slot_of(now, insn);
	if (insn->dst == MIPS_SP)
		return write_sp(scan, insn, pc);
	if (insn->dst == MIPS_RA) {
		now->ra_lost = true;
		now->ra = insn->kind == INSN_LOAD ? slot_of(now, insn)
						  : (struct slot){ false, BASE_NONE, 0 };
	} else if (insn->dst == MIPS_FP) {
		write_fp(now, insn);
	}
	track_constant(scan, insn);
	return GO_ON;
}

static bool same_slot(const struct slot *a, const struct slot *b)
{
	return a->known && b->known && a->base == b->base && a->at == b->at;
}

/* Whether a slot is in the frame that ends at sp. */
static bool is_within(const struct state *now, const struct slot *slot, int32_t nr_bytes)
{
	return slot->known && slot->base == now->base && slot->at >= 0 &&
	       slot->at <= now->sp - nr_bytes;
}

/* Whether the frame is given back, so that a jump from here leaves the function. */
static bool is_given_back(const struct forward *scan, struct mips_rule *rule)
{
	const struct state *now = &scan->now;
	int32_t slot = (int32_t)mips__slot_bytes(&scan->scan.unwind->machine);

	if (now->base == BASE_NONE || now->sp < 0 || (now->sp == 0 && !scan->exact))
		return false;
	*rule = (struct mips_rule){ .kind = now->base == BASE_FP ? RULE_FP : RULE_SP,
				    .cfa = (uint32_t)now->sp };
	/* Who uses fp restores it, but where a signal came before it was saved. */
	if (is_within(now, &now->fp, slot))
		rule->fp = (uint32_t)(now->sp - now->fp.at);
	else if (now->fp_lost && !scan->exact)
		return false;
	if (rule->fp && rule->kind == RULE_SP)
		rule->kind = RULE_SP_FP;
	if (!now->ra.known)
		return false;
	if (scan->exact && same_slot(&now->ra, &now->ra_saved))
		return true;
	if (!is_within(now, &now->ra, slot))
		return false;
	rule->ra = (uint32_t)(now->sp - now->ra.at);
	return true;
}

/* A return by a register that still holds what it did when the signal came. */
static bool is_leaf_return(const struct forward *scan, struct mips_rule *rule)
{
	const struct state *now = &scan->now;

	if (!scan->exact || now->ra_lost || scan->insn.src != MIPS_RA)
		return false;
	is_given_back(scan, rule);
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
	mips_addr_t pc = scan->now.pc;
	unsigned i;

	scan->started = pc;
	if (!mips_code__enter(&scan->scan, pc))
		return false;
	scan->limit = scan->scan.code.hi;
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
	if (scan->nr_ways < NR_WAYS && scan->now.base != BASE_NONE) {
		scan->ways[scan->nr_ways] = scan->now;
		scan->ways[scan->nr_ways++].pc = target;
	}
}

/* The instruction in the delay slot; it must not be a branch. */
static enum outcome apply_delay(struct forward *scan)
{
	mips_addr_t pc = scan->now.pc + 4;
	struct mips_insn insn;

	if (!scan->insn.delay)
		return GO_ON;
	if (!mips_code__insn(&scan->scan, pc, &insn) ||
	    (insn.kind >= INSN_BRANCH && insn.kind <= INSN_CALL))
		return DEAD;
	return apply(scan, &insn, pc);
}

static enum outcome do_branch(struct forward *scan, mips_addr_t next)
{
	struct state before = scan->now;
	enum outcome outcome = apply_delay(scan);

	/* The head of another function behind a branch: neither way is of this one. */
	if (outcome != GO_ON && !scan->insn.likely)
		return outcome;
	if (outcome == GO_ON)
		open_way(scan, scan->insn.target);
	if (scan->insn.likely)
		scan->now = before;
	scan->now.pc = next;
	return GO_ON;
}

/*
 * Behind the jump through a table its cases follow, and nothing of the frame is undone there. But
 * no function returns, or calls its last one by $t9, without $ra.
 */
static enum outcome behind_jump(struct forward *scan, const struct state *first, mips_addr_t next)
{
	bool ra_lost = scan->now.ra_lost;

	if (scan->insn.src == MIPS_RA || scan->insn.src == MIPS_T9)
		return OTHER;
	scan->now = *first;
	scan->now.pc = next;
	scan->now.ra_lost = ra_lost;
	scan->known = 0;
	return GO_ON;
}

static enum outcome step(struct forward *scan, const struct state *first, struct mips_rule *rule)
{
	mips_addr_t pc = scan->now.pc, next;
	enum outcome outcome;

	if (!mips_code__insn(&scan->scan, pc, &scan->insn))
		return DEAD;
	next = pc + (scan->insn.delay ? 8 : 4);
	switch (scan->insn.kind) {
	case INSN_BRANCH:
		return do_branch(scan, next);
	case INSN_JUMP:
		outcome = apply_delay(scan);
		if (outcome != GO_ON || is_given_back(scan, rule))
			return outcome == GO_ON ? FOUND : outcome;
		end_span(scan, next);
		scan->now.pc = scan->insn.target;
		return begin_span(scan) ? GO_ON : DEAD;
	case INSN_JR:
		outcome = apply_delay(scan);
		if (outcome != GO_ON)
			return outcome;
		if (is_given_back(scan, rule) || is_leaf_return(scan, rule))
			return FOUND;
		return behind_jump(scan, first, next);
	case INSN_CALL:
		outcome = apply_delay(scan);
		scan->known = 0;
		scan->now.ra.known = false;
		scan->now.ra_lost = true;
		scan->nr_sure = scan->nr_ways;
		break;
	default:
		outcome = apply(scan, &scan->insn, pc);
		break;
	}
	scan->now.pc = next;
	return outcome;
}

/* Follows one way to its end. */
static enum outcome follow(struct forward *scan, const struct state *first, struct mips_rule *rule)
{
	enum outcome outcome = begin_span(scan) ? GO_ON : DEAD;

	if (outcome == DEAD)
		return DEAD;
	scan->nr_sure = scan->nr_ways;
	while (outcome == GO_ON && scan->budget-- > 0) {
		/* Joins what was read before, and led nowhere. */
		if (scan->now.pc >= scan->limit)
			break;
		outcome = step(scan, first, rule);
	}
	end_span(scan, scan->now.pc);
	if (outcome == OTHER)
		scan->nr_ways = scan->nr_sure;
	return outcome == FOUND ? FOUND : DEAD;
}

bool mips_forward__scan(const struct mips_unwind *unwind, mips_addr_t pc, bool exact,
			struct mips_rule *rule)
{
	struct state first = { .pc = pc, .base = BASE_SP, .ra_lost = !exact };
	struct forward scan;

	scan.scan = (struct mips_scan){ .unwind = unwind };
	scan.exact = exact;
	scan.budget = MIPS_FORWARD_BUDGET;
	scan.known = 0;
	memset(scan.values, 0, sizeof(scan.values));
	scan.nr_ways = scan.nr_spans = 0;
	scan.now = first;
	/* The function is the call's: behind one that does not return another may begin. */
	if (!mips_code__enter(&scan.scan, exact ? pc : pc - 4) ||
	    pc - scan.scan.code.lo >= scan.scan.code.hi - scan.scan.code.lo)
		return false;
	while (follow(&scan, &first, rule) != FOUND) {
		if (!scan.nr_ways || scan.budget <= 0)
			return false;
		scan.now = scan.ways[--scan.nr_ways];
		scan.known = 0;
	}
	return true;
}
