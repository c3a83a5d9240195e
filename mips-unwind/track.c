// SPDX-License-Identifier: BSD-2-Clause
/* What instructions do to sp, fp and $ra, and when that gives back a frame. Nothing is executed. */
#include "track.h"

#define NR_INLINE 12 /* instructions of a system call with a frame of its own */

static bool is_known(const struct mips_track *track, unsigned reg)
{
	return reg == MIPS_ZERO || track->known >> reg & 1;
}

static int32_t value_of(const struct mips_track *track, unsigned reg)
{
	return reg == MIPS_ZERO ? 0 : track->values[reg];
}

/* Constants, of which large frames are made. */
static void track_constant(struct mips_track *track, const struct mips_insn *insn)
{
	uint32_t value = (uint32_t)value_of(track, insn->src), bit = 1u << insn->dst;
	bool known = is_known(track, insn->src);

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
	track->known = known ? track->known | bit : track->known & ~bit;
	track->values[insn->dst] = (int32_t)value;
}

#define MAX_FRAME (1 << 30)

/* sp = base + at, as it was before + by. */
static enum mips_outcome set_sp(struct mips_state *now, uint8_t base, int64_t at)
{
	if (at > MAX_FRAME || at < -MAX_FRAME)
		base = BASE_NONE;
	now->base = base;
	now->sp = base == BASE_NONE ? 0 : (int32_t)at;
	return TRACK_GO_ON;
}

/*
 * A system call with arguments on the stack lowers sp around it: "addiu sp,-32; ... syscall; addiu
 * sp,32" within a function of C.
 */
static bool is_inline_call(struct mips_track *track, mips_addr_t pc, int32_t down)
{
	struct mips_insn insn;
	bool called = false;
	unsigned i;

	for (i = 0; i < NR_INLINE; i++) {
		pc += 4;
		if (!mips_code__insn(&track->scan, pc, &insn))
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
static enum mips_outcome lower_sp(struct mips_track *track, mips_addr_t pc, int32_t by)
{
	struct mips_state *now = &track->now;

	/* Unless no call was passed: then a signal may have interrupted what comes before. */
	if ((track->exact && !now->ra_lost && now->base == BASE_SP) ||
	    is_inline_call(track, pc, by))
		return set_sp(now, now->base, (int64_t)now->sp + by);
	return TRACK_OTHER;
}

static enum mips_outcome write_sp(struct mips_track *track, const struct mips_insn *insn,
				  mips_addr_t pc)
{
	struct mips_state *now = &track->now;
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
	} else if ((insn->kind == INSN_ADD || insn->kind == INSN_SUB) && is_known(track, other)) {
		by = value_of(track, other);
		by = insn->kind == INSN_SUB ? -by : by;
		known = true;
	}
	if (!known || by > MAX_FRAME || by < -MAX_FRAME)
		return set_sp(now, BASE_NONE, 0);
	if (src == MIPS_SP && by < 0)
		return lower_sp(track, pc, (int32_t)by);
	if (src == MIPS_SP)
		return set_sp(now, now->base, now->sp + by);
	if (src == MIPS_FP && now->fp_is_sp)
		return set_sp(now, BASE_SP, now->fp_at + by);
	if (src == MIPS_FP && !now->fp_lost)
		return set_sp(now, BASE_FP, by);
	return set_sp(now, BASE_NONE, 0);
}

/* The slot a load or a store is about. */
static struct mips_slot slot_of(const struct mips_state *now, const struct mips_insn *insn)
{
	struct mips_slot slot = { false, BASE_NONE, 0 };

	if (insn->src == MIPS_SP && now->base != BASE_NONE)
		slot = (struct mips_slot){ true, now->base, now->sp + insn->imm };
	else if (insn->src == MIPS_FP && now->fp_is_sp)
		slot = (struct mips_slot){ true, BASE_SP, now->fp_at + insn->imm };
	else if (insn->src == MIPS_FP && !now->fp_lost)
		slot = (struct mips_slot){ true, BASE_FP, insn->imm };
	return slot;
}

static void write_fp(struct mips_state *now, const struct mips_insn *insn)
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

enum mips_outcome mips_track__apply(struct mips_track *track, const struct mips_insn *insn,
				    mips_addr_t pc)
{
	struct mips_state *now = &track->now;

	if (insn->kind == INSN_BREAK)
		return TRACK_DEAD;
	if (insn->kind == INSN_SYSCALL && is_known(track, MIPS_V0) &&
	    mips_code__is_exit(&track->scan.unwind->machine, value_of(track, MIPS_V0)))
		return TRACK_DEAD;
	/* Only the head of a function sets gp so. */
	if (insn->kind == INSN_LUI && insn->dst == MIPS_GP && !track->exact)
		return TRACK_OTHER;
	if (insn->kind == INSN_STORE && insn->other == MIPS_RA && !now->ra_lost)
		now->ra_saved = slot_of(now, insn);
	if (insn->dst == MIPS_SP)
		return write_sp(track, insn, pc);
	if (insn->dst == MIPS_RA) {
		now->ra_lost = true;
		now->ra = insn->kind == INSN_LOAD ? slot_of(now, insn)
						  : (struct mips_slot){ false, BASE_NONE, 0 };
	} else if (insn->dst == MIPS_FP) {
		write_fp(now, insn);
	}
	track_constant(track, insn);
	return TRACK_GO_ON;
}

static bool same_slot(const struct mips_slot *a, const struct mips_slot *b)
{
	return a->known && b->known && a->base == b->base && a->at == b->at;
}

/* Whether a slot is in the frame that ends at sp. */
static bool is_within(const struct mips_state *now, const struct mips_slot *slot, int32_t nr_bytes)
{
	return slot->known && slot->base == now->base && slot->at >= 0 &&
	       slot->at <= now->sp - nr_bytes;
}

bool mips_track__is_given_back(const struct mips_track *track, struct mips_rule *rule)
{
	const struct mips_state *now = &track->now;
	int32_t slot = (int32_t)mips__slot_bytes(&track->scan.unwind->machine);

	if (now->base == BASE_NONE || now->sp < 0 || (now->sp == 0 && !track->exact))
		return false;
	*rule = (struct mips_rule){ .kind = now->base == BASE_FP ? RULE_FP : RULE_SP,
				    .cfa = (uint32_t)now->sp };
	/* Who uses fp restores it, but where a signal came before it was saved. */
	if (is_within(now, &now->fp, slot))
		rule->fp = (uint32_t)(now->sp - now->fp.at);
	else if (now->fp_lost && !track->exact)
		return false;
	if (rule->fp && rule->kind == RULE_SP)
		rule->kind = RULE_SP_FP;
	if (!now->ra.known)
		return false;
	if (track->exact && same_slot(&now->ra, &now->ra_saved))
		return true;
	if (!is_within(now, &now->ra, slot))
		return false;
	rule->ra = (uint32_t)(now->sp - now->ra.at);
	return true;
}
