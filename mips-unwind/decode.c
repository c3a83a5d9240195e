// SPDX-License-Identifier: BSD-2-Clause
/* Which instruction a word is: a table by major opcode, and one for each that has more below it. */
#include "decode.h"

/* How an opcode is read; the fields are in their usual places unless said. */
enum form {
	FORM_NONE = 0,	 /* writes nothing that matters: stores, coprocessors, unknown */
	FORM_SPECIAL,	 /* by its function field */
	FORM_REGIMM,	 /* by rt */
	FORM_J,		 /* j */
	FORM_JAL,	 /* jal; also jalx, which comes back to this ISA */
	FORM_BEQ,	 /* always where both registers are one */
	FORM_BRANCH,	 /* rs, rt and a 16-bit offset */
	FORM_LIKELY,	 /* ... its delay slot being annulled otherwise */
	FORM_COP,	 /* a branch on a condition of a coprocessor, or none */
	FORM_ADDI,	 /* addiu, daddiu */
	FORM_ORI,	 /* */
	FORM_LUI,	 /* */
	FORM_WRITES_RT,	 /* any other that writes rt */
	FORM_LOAD_32,	 /* lw */
	FORM_LOAD_64,	 /* ld */
	FORM_STORE_32,	 /* sw */
	FORM_STORE_64,	 /* sd */
	FORM_EITHER_RT,	 /* R6: a compact branch if rt is not 0, with a link if rs is 0 or rt */
	FORM_COMPACT,	 /* R6: a compact branch */
	FORM_COMPACT_OR, /* R6: likewise, with a link if rs is 0 and rt is not */
	FORM_BC,	 /* R6: 26 bits of offset */
	FORM_BALC,	 /* */
	FORM_JIC,	 /* R6: jic rt if rs is 0, else beqzc */
	FORM_JIALC,	 /* R6: jialc if rs is 0, else bnezc */
};

/* Before release 6. Octeon has branches on bits where others have coprocessor 2's loads. */
static const uint8_t forms[64] = {
	[0x00] = FORM_SPECIAL,	 [0x01] = FORM_REGIMM,	  [0x02] = FORM_J,
	[0x03] = FORM_JAL,	 [0x04] = FORM_BEQ,	  [0x05] = FORM_BRANCH,
	[0x06] = FORM_BRANCH,	 [0x07] = FORM_BRANCH,	  [0x08] = FORM_WRITES_RT,
	[0x09] = FORM_ADDI,	 [0x0a] = FORM_WRITES_RT, [0x0b] = FORM_WRITES_RT,
	[0x0c] = FORM_WRITES_RT, [0x0d] = FORM_ORI,	  [0x0e] = FORM_WRITES_RT,
	[0x0f] = FORM_LUI,	 [0x11] = FORM_COP,	  [0x12] = FORM_COP,
	[0x14] = FORM_LIKELY,	 [0x15] = FORM_LIKELY,	  [0x16] = FORM_LIKELY,
	[0x17] = FORM_LIKELY,	 [0x18] = FORM_WRITES_RT, [0x19] = FORM_ADDI,
	[0x1a] = FORM_WRITES_RT, [0x1b] = FORM_WRITES_RT, [0x1d] = FORM_JAL,
	[0x1f] = FORM_WRITES_RT, [0x20] = FORM_WRITES_RT, [0x21] = FORM_WRITES_RT,
	[0x22] = FORM_WRITES_RT, [0x23] = FORM_LOAD_32,	  [0x24] = FORM_WRITES_RT,
	[0x25] = FORM_WRITES_RT, [0x26] = FORM_WRITES_RT, [0x27] = FORM_WRITES_RT,
	[0x2b] = FORM_STORE_32,	 [0x30] = FORM_WRITES_RT, [0x32] = FORM_BRANCH,
	[0x34] = FORM_WRITES_RT, [0x36] = FORM_BRANCH,	  [0x37] = FORM_LOAD_64,
	[0x38] = FORM_WRITES_RT, [0x3a] = FORM_BRANCH,	  [0x3c] = FORM_WRITES_RT,
	[0x3e] = FORM_BRANCH,	 [0x3f] = FORM_STORE_64,
};

/* Where release 6 differs. */
static const struct {
	uint8_t opcode, form;
} forms_r6[] = {
	{ 0x06, FORM_EITHER_RT },  { 0x07, FORM_EITHER_RT }, { 0x08, FORM_COMPACT_OR },
	{ 0x18, FORM_COMPACT_OR }, { 0x14, FORM_NONE },	     { 0x15, FORM_NONE },
	{ 0x16, FORM_COMPACT },	   { 0x17, FORM_COMPACT },   { 0x1d, FORM_WRITES_RT },
	{ 0x1a, FORM_NONE },	   { 0x1b, FORM_NONE },	     { 0x30, FORM_NONE },
	{ 0x32, FORM_BC },	   { 0x34, FORM_NONE },	     { 0x36, FORM_JIC },
	{ 0x38, FORM_NONE },	   { 0x3a, FORM_BALC },	     { 0x3c, FORM_NONE },
	{ 0x3e, FORM_JIALC },
};

static unsigned rs_of(uint32_t word)
{
	return word >> 21 & 31;
}

static unsigned rt_of(uint32_t word)
{
	return word >> 16 & 31;
}

static unsigned rd_of(uint32_t word)
{
	return word >> 11 & 31;
}

/* An offset of so many bits, counted in instructions behind this one. */
static mips_addr_t behind(uint32_t word, mips_addr_t pc, unsigned bits)
{
	int32_t words = (int32_t)(word << (32 - bits)) >> (32 - bits);

	return pc + 4 + (mips_addr_t)((intptr_t)words * 4);
}

static void branch(struct mips_insn *insn, enum mips_kind kind, mips_addr_t target, bool delay)
{
	insn->kind = (uint8_t)kind;
	insn->target = target;
	insn->delay = delay;
}

/* The functions of SPECIAL that matter; the others write rd. */
static void decode_special(uint32_t word, struct mips_insn *insn)
{
	insn->src = (uint8_t)rs_of(word);
	insn->other = (uint8_t)rt_of(word);
	insn->dst = (uint8_t)rd_of(word);
	switch (word & 0x3f) {
	case 0x08: /* jr */
		insn->kind = INSN_JR;
		insn->delay = true;
		insn->dst = 0;
		break;
	case 0x09: /* jalr; without a link it is R6's jr */
		insn->kind = insn->dst ? INSN_CALL : INSN_JR;
		insn->delay = true;
		break;
	case 0x0c:
		insn->kind = INSN_SYSCALL;
		insn->dst = MIPS_V0;
		break;
	case 0x0d:
		insn->kind = INSN_BREAK;
		break;
	case 0x34: /* teq: a trap always, where both registers are one */
		insn->kind = insn->src == insn->other ? INSN_BREAK : INSN_OTHER;
		insn->dst = 0;
		break;
	case 0x21: /* addu */
	case 0x2d: /* daddu */
	case 0x25: /* or, of which only a move is an addition */
		insn->kind = INSN_ADD;
		if (insn->src == 0)
			insn->src = insn->other, insn->other = 0;
		if (insn->other == 0)
			insn->kind = INSN_ADDI;
		else if ((word & 0x3f) == 0x25)
			insn->kind = INSN_OTHER;
		break;
	case 0x23: /* subu */
	case 0x2f: /* dsubu */
		insn->kind = INSN_SUB;
		break;
	default:
		break;
	}
}

static void decode_regimm(uint32_t word, mips_addr_t pc, struct mips_insn *insn)
{
	unsigned rt = rt_of(word), rs = rs_of(word);

	switch (rt) {
	case 0x00: /* bltz */
	case 0x01: /* bgez: b where rs is 0 */
	case 0x1c: /* bposge32 */
		branch(insn, rt == 1 && rs == 0 ? INSN_JUMP : INSN_BRANCH, behind(word, pc, 16),
		       true);
		break;
	case 0x02: /* bltzl */
	case 0x03: /* bgezl */
		branch(insn, INSN_BRANCH, behind(word, pc, 16), true);
		insn->likely = true;
		break;
	case 0x10: /* bltzal */
	case 0x11: /* bgezal, bal */
	case 0x12: /* bltzall */
	case 0x13: /* bgezall */
		branch(insn, INSN_CALL, behind(word, pc, 16), true);
		insn->likely = rt >= 0x12;
		insn->dst = MIPS_RA;
		break;
	default:
		break;
	}
}

/* bc1f and its like, bc1eqz and bc1nez; of the others, moves to a register write rt. */
static void decode_cop(uint32_t word, mips_addr_t pc, struct mips_insn *insn)
{
	unsigned fmt = rs_of(word);

	if (fmt == 8 || fmt == 9 || fmt == 13) {
		branch(insn, INSN_BRANCH, behind(word, pc, 16), true);
		insn->likely = fmt == 8 && word >> 17 & 1;
	} else if (fmt <= 3) {
		insn->dst = (uint8_t)rt_of(word);
	}
}

/* What release 6 has in the place of other opcodes. None has a delay slot. */
static void decode_compact(enum form form, uint32_t word, mips_addr_t pc, struct mips_insn *insn)
{
	unsigned rs = rs_of(word), rt = rt_of(word);
	bool links = form == FORM_BALC || (form == FORM_EITHER_RT && (rs == 0 || rs == rt)) ||
		     (form == FORM_COMPACT_OR && rs == 0 && rt != 0);

	if (form == FORM_EITHER_RT && rt == 0) { /* blez, bgtz */
		branch(insn, INSN_BRANCH, behind(word, pc, 16), true);
	} else if ((form == FORM_JIC || form == FORM_JIALC) && rs == 0) {
		insn->kind = form == FORM_JIC ? INSN_JR : INSN_CALL;
		insn->src = (uint8_t)rt;
		links = form == FORM_JIALC;
	} else if (form == FORM_JIC || form == FORM_JIALC) { /* beqzc, bnezc */
		branch(insn, INSN_BRANCH, behind(word, pc, 21), false);
	} else if (form == FORM_BC || form == FORM_BALC) {
		branch(insn, links ? INSN_CALL : INSN_JUMP, behind(word, pc, 26), false);
	} else {
		branch(insn, links ? INSN_CALL : INSN_BRANCH, behind(word, pc, 16), false);
	}
	if (links)
		insn->dst = MIPS_RA;
}

/* Loads and stores count when they are of a slot's width. */
static void decode_memory(bool store, bool is_slot, uint32_t word, struct mips_insn *insn)
{
	insn->src = (uint8_t)rs_of(word);
	insn->imm = (int16_t)word;
	if (store)
		insn->other = (uint8_t)rt_of(word);
	else
		insn->dst = (uint8_t)rt_of(word);
	if (is_slot)
		insn->kind = store ? INSN_STORE : INSN_LOAD;
}

static enum form form_of(const struct mips_machine *machine, uint32_t word)
{
	unsigned opcode = word >> 26, i;

	if (mips__r6(machine))
		for (i = 0; i < sizeof(forms_r6) / sizeof(forms_r6[0]); i++)
			if (forms_r6[i].opcode == opcode)
				return (enum form)forms_r6[i].form;
	return (enum form)forms[opcode];
}

static void decode_immediate(enum form form, uint32_t word, struct mips_insn *insn)
{
	insn->src = (uint8_t)rs_of(word);
	insn->dst = (uint8_t)rt_of(word);
	if (form == FORM_ADDI) {
		insn->kind = INSN_ADDI;
		insn->imm = (int16_t)word;
	} else if (form == FORM_ORI) {
		insn->kind = INSN_ORI;
		insn->imm = (uint16_t)word;
	} else if (form == FORM_LUI && insn->src == 0) { /* else R6's aui */
		insn->kind = INSN_LUI;
		insn->imm = (int32_t)(word << 16);
	}
}

void mips_decode(const struct mips_machine *machine, uint32_t word, mips_addr_t pc,
		 struct mips_insn *insn)
{
	enum form form = form_of(machine, word);
	bool is_64 = mips__slot_bytes(machine) == 8;

	*insn = (struct mips_insn){ .kind = INSN_OTHER };
	switch (form) {
	case FORM_NONE:
		break;
	case FORM_SPECIAL:
		decode_special(word, insn);
		break;
	case FORM_REGIMM:
		decode_regimm(word, pc, insn);
		break;
	case FORM_J:
	case FORM_JAL: /* within the 256 MiB of the delay slot */
		branch(insn, form == FORM_J ? INSN_JUMP : INSN_CALL,
		       ((pc + 4) & ~(mips_addr_t)0xfffffff) | (word & 0x3ffffff) << 2, true);
		insn->dst = form == FORM_J ? 0 : MIPS_RA;
		break;
	case FORM_BEQ:
	case FORM_BRANCH:
	case FORM_LIKELY:
		branch(insn,
		       form == FORM_BEQ && rs_of(word) == rt_of(word) ? INSN_JUMP : INSN_BRANCH,
		       behind(word, pc, 16), true);
		insn->likely = form == FORM_LIKELY;
		break;
	case FORM_COP:
		decode_cop(word, pc, insn);
		break;
	case FORM_ADDI:
	case FORM_ORI:
	case FORM_LUI:
	case FORM_WRITES_RT:
		decode_immediate(form, word, insn);
		break;
	case FORM_LOAD_32:
	case FORM_LOAD_64:
		decode_memory(false, is_64 == (form == FORM_LOAD_64), word, insn);
		break;
	case FORM_STORE_32:
	case FORM_STORE_64:
		decode_memory(true, is_64 == (form == FORM_STORE_64), word, insn);
		break;
	default:
		decode_compact(form, word, pc, insn);
		break;
	}
}
