// SPDX-License-Identifier: BSD-2-Clause
/*
 * Backward: from a return address to the prologue, where sp was lowered and $ra stored. A return
 * on the way is an early one and ends nothing. gcc uses $ra for other values, too, and stores
 * them: the store nearest to the prologue counts.
 */
#include "internal.h"

#define NR_CONSTANT 32 /* how far before its use a frame's size is loaded */
#define NR_INLINE   12 /* as in track.c */
#define NR_PROLOGUE 32 /* how far behind sp's lowering fp is set to it */

/* A register stored at sp + at, with so much of the frame yet to come behind it. */
struct store {
	bool known;
	int32_t at;
	uint32_t later;
};

struct backward {
	struct mips_scan scan;
	uint32_t lowered; /* bytes sp is lowered by from the place at hand to pc */
	bool dynamic;	  /* ... and by more that is not known */
	struct store ra, fp;
	struct store pointer; /* fp = sp + at */
	mips_addr_t pointer_pc;
};

#define MAX_FRAME (1u << 30)

/* The constant in a register before pc: a li, or lui and ori or addiu. */
static bool constant_before(struct backward *scan, mips_addr_t pc, unsigned reg, int32_t *value)
{
	struct mips_insn insn;
	uint32_t low = 0;
	unsigned i;

	for (i = 0; i < NR_CONSTANT; i++) {
		pc -= 4;
		if (!mips_code__insn(&scan->scan, pc, &insn))
			return false;
		if (insn.dst != reg || reg == MIPS_ZERO)
			continue;
		if (insn.kind == INSN_LUI ||
		    ((insn.kind == INSN_ADDI || insn.kind == INSN_ORI) && insn.src == MIPS_ZERO)) {
			*value = (int32_t)((uint32_t)insn.imm + low);
			return true;
		}
		if ((insn.kind != INSN_ADDI && insn.kind != INSN_ORI) || insn.src != reg)
			return false;
		low += (uint32_t)insn.imm;
	}
	return false;
}

/* As in track.c: a system call with arguments on the stack lowers sp around it. */
static bool is_inline_call(struct backward *scan, mips_addr_t pc, int32_t down)
{
	struct mips_insn insn;
	bool called = false;
	unsigned i;

	for (i = 0; i < NR_INLINE; i++) {
		pc += 4;
		if (!mips_code__insn(&scan->scan, pc, &insn))
			return false;
		called = called || insn.kind == INSN_SYSCALL;
		if (insn.dst == MIPS_SP)
			return called && insn.kind == INSN_ADDI && insn.src == MIPS_SP &&
			       insn.imm == -down;
	}
	return false;
}

/* Whether nothing runs into pc from above: behind a return, and what pads it. */
static bool is_entry(struct backward *scan, mips_addr_t pc)
{
	struct mips_insn insn;
	uint32_t word;

	while (mips_code__word(&scan->scan, pc - 4, &word) && word == 0)
		pc -= 4;
	if (mips_code__insn(&scan->scan, pc - 4, &insn) && insn.kind == INSN_JR &&
	    insn.src == MIPS_RA)
		return true;
	return mips_code__insn(&scan->scan, pc - 8, &insn) && insn.kind == INSN_JR && insn.delay &&
	       insn.src == MIPS_RA;
}

/* "lui gp; addiu gp; addu gp,gp,t9": the first of an o32 function, its address being in t9. */
static bool is_o32_entry(struct backward *scan, mips_addr_t pc, const struct mips_insn *insn)
{
	struct mips_insn next;

	return insn->kind == INSN_LUI && insn->dst == MIPS_GP &&
	       mips__abi(&scan->scan.unwind->machine) == MIPS_O32 &&
	       mips_code__insn(&scan->scan, pc + 4, &next) && next.dst == MIPS_GP &&
	       mips_code__insn(&scan->scan, pc + 8, &next) && next.kind == INSN_ADD &&
	       next.dst == MIPS_GP;
}

/* Reads a write to sp. True: the prologue is complete. */
static bool read_sp(struct backward *scan, mips_addr_t pc, const struct mips_insn *insn)
{
	int32_t by = insn->imm;

	if (insn->src != MIPS_SP)
		return false;
	if (insn->kind == INSN_ADD || insn->kind == INSN_SUB) {
		if (!constant_before(scan, pc, insn->other, &by)) {
			scan->dynamic = scan->dynamic || insn->kind == INSN_SUB;
			return false;
		}
		if (insn->kind == INSN_SUB)
			by = (int32_t)(0u - (uint32_t)by);
	} else if (insn->kind != INSN_ADDI) {
		return false;
	}
	/* Raised: an early return's epilogue. */
	if (by >= 0 || is_inline_call(scan, pc, by))
		return false;
	scan->lowered += 0u - (uint32_t)by;
	return scan->ra.known || scan->lowered > MAX_FRAME;
}

static void read_store(struct backward *scan, const struct mips_insn *insn)
{
	struct store store = { true, insn->imm, scan->lowered };

	if (insn->kind != INSN_STORE || insn->src != MIPS_SP)
		return;
	if (insn->other == MIPS_RA)
		scan->ra = store;
	else if (insn->other == MIPS_FP)
		scan->fp = store;
}

/* Looks for the prologue. *pc becomes its place. */
static bool find_prologue(struct backward *scan, mips_addr_t *pc)
{
	struct mips_insn insn;
	unsigned i;

	for (i = 0; i < MIPS_BACKWARD_BUDGET; i++, *pc -= 4) {
		if (!mips_code__insn(&scan->scan, *pc, &insn))
			return false;
		read_store(scan, &insn);
		if (insn.dst == MIPS_FP && insn.kind == INSN_ADDI && insn.src == MIPS_SP) {
			scan->pointer = (struct store){ true, insn.imm, scan->lowered };
			scan->pointer_pc = *pc;
		}
		if (insn.dst == MIPS_SP) {
			if (read_sp(scan, *pc, &insn))
				return scan->lowered <= MAX_FRAME;
			/* A function that lowers sp, and saves nothing. */
			if (insn.kind == INSN_ADDI && insn.src == MIPS_SP && insn.imm < 0 &&
			    is_entry(scan, *pc))
				return false;
		}
		if (is_o32_entry(scan, *pc, &insn))
			return false;
	}
	return false;
}

/* How far below the frame's end a store is. False: not in the frame. */
static bool below_end(const struct backward *scan, const struct store *store, uint32_t *below)
{
	int64_t at = (int64_t)store->at + store->later;
	uint32_t slot = mips__slot_bytes(&scan->scan.unwind->machine);

	if (!store->known || at < 0 || at > (int64_t)scan->lowered - slot)
		return false;
	*below = scan->lowered - (uint32_t)at;
	return true;
}

/* The rule relative to sp, or to fp. */
static bool make_rule(const struct backward *scan, bool by_pointer, struct mips_rule *rule)
{
	int64_t at = (int64_t)scan->pointer.at + scan->pointer.later;

	*rule = (struct mips_rule){ .kind = RULE_SP, .cfa = scan->lowered };
	if (!below_end(scan, &scan->ra, &rule->ra))
		return false;
	if (below_end(scan, &scan->fp, &rule->fp))
		rule->kind = RULE_SP_FP;
	if (!by_pointer)
		return !scan->dynamic;
	/* What is saved must be above what fp points to. */
	if (!scan->pointer.known || !rule->fp || at < 0 || at + rule->ra > scan->lowered ||
	    at + rule->fp > scan->lowered)
		return false;
	rule->kind = RULE_FP;
	rule->cfa = scan->lowered - (uint32_t)at;
	return true;
}

unsigned mips_backward__scan(const struct mips_unwind *unwind, mips_addr_t pc,
			     struct mips_rule rules[2])
{
	struct backward scan = { .scan = { .unwind = unwind } };
	bool is_pointer;
	unsigned nr = 0;

	pc -= 4;
	if (!mips_code__enter(&scan.scan, pc) || !find_prologue(&scan, &pc))
		return 0;
	/* In the prologue fp becomes the frame's pointer, elsewhere any pointer to a local. */
	is_pointer = scan.pointer.known && scan.pointer_pc - pc <= NR_PROLOGUE * 4;
	nr += make_rule(&scan, is_pointer, &rules[nr]);
	nr += make_rule(&scan, !is_pointer, &rules[nr]);
	return nr;
}
