// SPDX-License-Identifier: BSD-2-Clause
/*
 * Walks the first instructions of a function in a straight line and says where a probe is cheap.
 *
 * What cannot be seen in a window of code is accepted: a jump from a far, cold part of the function
 * back to a point before the chosen instruction would make the probe fire twice for one call.
 */
#include "probe/place.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "probe_abi.h"

#define NR_REGS	  16
#define REG_SP	  4
#define NO_NUMBER (-1)
#define NO_ARG	  (-1)
/* What the cookie has bits for. */
#define MAX_PUSHED 255

/* The System V order of argument registers: rdi, rsi, rdx, rcx, r8, r9. */
static const uint8_t sysv_regs[PLACE_MAX_ARGS] = { 7, 6, 2, 1, 8, 9 };

/* The state of the machine before the instruction the walk is at, as far as it is known. */
struct walk {
	csh handle;
	const struct place_need *need;
	uint32_t args;		  /* the needed ones */
	int8_t holds[NR_REGS];	  /* the argument in the register */
	uint16_t copied[NR_REGS]; /* when it came there: 0 from the caller, else the nth instruction
				   */
	uint16_t nr;		  /* instructions walked */
	uint32_t pushed;
	bool moved;	  /* the stack pointer is not the caller's any more */
	bool null_tested; /* the flags say whether the only needed argument is NULL */
};

#define REG_NAMES(number, r64, r32, r16, r8)                            \
	[X86_REG_##r64] = (number) + 1, [X86_REG_##r32] = (number) + 1, \
	[X86_REG_##r16] = (number) + 1, [X86_REG_##r8] = (number) + 1

/* The number of the register that contains reg, NO_NUMBER for others than general ones. */
static int reg_number(unsigned reg)
{
	static const uint8_t numbers_plus_1[X86_REG_ENDING] = {
		REG_NAMES(0, RAX, EAX, AX, AL),
		REG_NAMES(1, RCX, ECX, CX, CL),
		REG_NAMES(2, RDX, EDX, DX, DL),
		REG_NAMES(3, RBX, EBX, BX, BL),
		REG_NAMES(4, RSP, ESP, SP, SPL),
		REG_NAMES(5, RBP, EBP, BP, BPL),
		REG_NAMES(6, RSI, ESI, SI, SIL),
		REG_NAMES(7, RDI, EDI, DI, DIL),
		REG_NAMES(8, R8, R8D, R8W, R8B),
		REG_NAMES(9, R9, R9D, R9W, R9B),
		REG_NAMES(10, R10, R10D, R10W, R10B),
		REG_NAMES(11, R11, R11D, R11W, R11B),
		REG_NAMES(12, R12, R12D, R12W, R12B),
		REG_NAMES(13, R13, R13D, R13W, R13B),
		REG_NAMES(14, R14, R14D, R14W, R14B),
		REG_NAMES(15, R15, R15D, R15W, R15B),
		[X86_REG_AH] = 0 + 1,
		[X86_REG_CH] = 1 + 1,
		[X86_REG_DH] = 2 + 1,
		[X86_REG_BH] = 3 + 1,
	};

	if (reg >= ARRAY_SIZE(numbers_plus_1))
		return NO_NUMBER;
	return numbers_plus_1[reg] - 1;
}

/*
 * Does the kernel emulate the instruction? What arch/x86/kernel/uprobes.c has always done
 * (branch_setup_xol_ops, push_setup_xol_ops), without prefixes: those differ from release to
 * release, as longer nops do.
 */
static bool is_emulated(const cs_insn *insn)
{
	const uint8_t *code = insn->bytes;

	switch (insn->size) {
	case 1:
		return (code[0] & 0xf8) == 0x50 || code[0] == 0x90;
	case 2:
		return (code[0] == 0x41 && (code[1] & 0xf8) == 0x50) || (code[0] & 0xf0) == 0x70 ||
		       code[0] == 0xeb;
	case 5:
		return code[0] == 0xe8 || code[0] == 0xe9;
	case 6:
		return code[0] == 0x0f && (code[1] & 0xf0) == 0x80;
	default:
		return false;
	}
}

static bool in_group(const cs_insn *insn, uint8_t group)
{
	for (unsigned i = 0; i < insn->detail->groups_count; i++) {
		if (insn->detail->groups[i] == group)
			return true;
	}
	return false;
}

/*
 * Is this an ordinary instruction: the next in memory comes next, and Capstone knows all it writes?
 * For the others (cmpxchg, enter) it forgets some registers.
 */
static bool is_plain(const cs_insn *insn)
{
	switch (insn->id) {
	case X86_INS_MOV:
	case X86_INS_MOVABS:
	case X86_INS_MOVZX:
	case X86_INS_MOVSX:
	case X86_INS_MOVSXD:
	case X86_INS_LEA:
	case X86_INS_XCHG:
	case X86_INS_ADD:
	case X86_INS_SUB:
	case X86_INS_INC:
	case X86_INS_DEC:
	case X86_INS_NEG:
	case X86_INS_IMUL:
	case X86_INS_MUL:
	case X86_INS_AND:
	case X86_INS_OR:
	case X86_INS_XOR:
	case X86_INS_NOT:
	case X86_INS_SHL:
	case X86_INS_SHR:
	case X86_INS_SAR:
	case X86_INS_TEST:
	case X86_INS_CMP:
	case X86_INS_BT:
	case X86_INS_SETE:
	case X86_INS_SETNE:
	case X86_INS_SETO:
	case X86_INS_SETA:
	case X86_INS_PUSH:
	case X86_INS_POP:
	case X86_INS_NOP:
	case X86_INS_ENDBR64:
	case X86_INS_PXOR:
	case X86_INS_XORPS:
	case X86_INS_MOVAPS:
	case X86_INS_MOVUPS:
		return true;
	default:
		return in_group(insn, X86_GRP_CMOV);
	}
}

/* The offset where the first loop begins: what is there or behind may run more than once a call. */
static uint64_t first_loop(const cs_insn *insns, size_t nr)
{
	uint64_t start = UINT64_MAX;

	for (size_t i = 0; i < nr; i++) {
		const cs_x86 *x86 = &insns[i].detail->x86;

		/* A call back is recursion: each one is a call to count. */
		if (!in_group(&insns[i], CS_GRP_BRANCH_RELATIVE) ||
		    in_group(&insns[i], CS_GRP_CALL) || x86->op_count != 1 ||
		    x86->operands[0].type != X86_OP_IMM)
			continue;
		uint64_t target = x86->operands[0].imm;
		if (target <= insns[i].address)
			start = min(start, target);
	}
	return start;
}

/* The argument that the 64-bit register operand holds, NO_ARG where it holds none. */
static int arg_in(const struct walk *walk, const cs_x86_op *op)
{
	int number = op->type == X86_OP_REG && op->size == 8 ? reg_number(op->reg) : NO_NUMBER;

	return number == NO_NUMBER ? NO_ARG : walk->holds[number];
}

/* The register that holds arg: the caller's own while it does, then the newest copy. */
static int find_arg(const struct walk *walk, int arg)
{
	int found = NO_NUMBER;

	if (walk->holds[sysv_regs[arg]] == arg && !walk->copied[sysv_regs[arg]])
		return sysv_regs[arg];
	for (int i = 0; i < NR_REGS; i++) {
		if (walk->holds[i] != arg)
			continue;
		if (found == NO_NUMBER || walk->copied[i] > walk->copied[found])
			found = i;
	}
	return found;
}

static bool knows_args(const struct walk *walk)
{
	for (int arg = 0; arg < PLACE_MAX_ARGS; arg++) {
		if ((walk->args & 1u << arg) && find_arg(walk, arg) == NO_NUMBER)
			return false;
	}
	return true;
}

/* Is this `test reg, reg` or `cmp reg, 0` of the only argument that matters? */
static bool tests_null(const struct walk *walk, const cs_insn *insn)
{
	const cs_x86 *x86 = &insn->detail->x86;
	const cs_x86_op *left = &x86->operands[0], *right = &x86->operands[1];

	if (!walk->need->null_is_nothing || x86->op_count != 2)
		return false;
	int arg = arg_in(walk, left);
	if (arg == NO_ARG || walk->args != 1u << arg)
		return false;
	if (insn->id == X86_INS_TEST)
		return right->type == X86_OP_REG && right->reg == left->reg;
	return insn->id == X86_INS_CMP && right->type == X86_OP_IMM && !right->imm;
}

/* Which general registers the instruction writes, as a mask. All of them where it is unknown. */
static uint32_t written_regs(const struct walk *walk, const cs_insn *insn)
{
	cs_regs reads, writes;
	uint8_t nr_reads, nr_writes;
	uint32_t mask = 0;

	if (cs_regs_access(walk->handle, insn, reads, &nr_reads, writes, &nr_writes))
		return UINT32_MAX;
	for (unsigned i = 0; i < nr_writes; i++) {
		if (reg_number(writes[i]) != NO_NUMBER)
			mask |= 1u << reg_number(writes[i]);
	}
	return mask;
}

/* Follows the stack pointer through an instruction that writes it. False: it is lost. */
static bool step_stack(struct walk *walk, const cs_insn *insn)
{
	const cs_x86 *x86 = &insn->detail->x86;
	uint64_t words;

	walk->moved = true;
	if (insn->id == X86_INS_PUSH) {
		if (x86->prefix[2]) /* two bytes */
			return false;
		words = 1;
	} else if (insn->id == X86_INS_SUB && x86->op_count == 2 &&
		   x86->operands[0].type == X86_OP_REG && x86->operands[0].reg == X86_REG_RSP &&
		   x86->operands[1].type == X86_OP_IMM && x86->operands[1].imm % 8 == 0) {
		words = (uint64_t)x86->operands[1].imm / 8;
	} else {
		return false;
	}
	/* A negative number of words is a large one here. */
	if (words > MAX_PUSHED - walk->pushed)
		return false;
	walk->pushed += (uint32_t)words;
	return true;
}

static void step_regs(struct walk *walk, const cs_insn *insn, uint32_t written)
{
	const cs_x86_op *ops = insn->detail->x86.operands;
	int copy = NO_ARG;

	if (insn->id == X86_INS_MOV && insn->detail->x86.op_count == 2)
		copy = arg_in(walk, &ops[1]);
	for (int i = 0; i < NR_REGS; i++) {
		if (written & 1u << i)
			walk->holds[i] = NO_ARG;
	}
	if (copy == NO_ARG || ops[0].type != X86_OP_REG || ops[0].size != 8)
		return;
	int target = reg_number(ops[0].reg);
	if (target != NO_NUMBER) {
		walk->holds[target] = (int8_t)copy;
		walk->copied[target] = walk->nr;
	}
}

/* Executes the instruction in the model. False where the walk ends with it. */
static bool step(struct walk *walk, const cs_insn *insn, bool null_branch)
{
	uint32_t written;

	walk->nr++;
	walk->null_tested = tests_null(walk, insn);
	if (!is_plain(insn))
		return null_branch;
	written = written_regs(walk, insn);
	if ((written & 1u << REG_SP) && !step_stack(walk, insn))
		return false;
	step_regs(walk, insn, written & ~(1u << REG_SP));
	if (walk->moved && walk->need->returns)
		return false;
	return knows_args(walk);
}

static void choose(const struct walk *walk, const cs_insn *insn, struct place *place)
{
	int64_t target = insn->detail->x86.operands[0].imm;

	place->offset = (uint32_t)insn->address;
	place->emulated = is_emulated(insn);
	place->pushed_words = walk->pushed;
	for (int arg = 0; arg < PLACE_MAX_ARGS; arg++) {
		if (walk->args & 1u << arg)
			place->arg_reg[arg] = (uint8_t)find_arg(walk, arg);
	}
	/* The function is at address 0: what is before it reads better with a sign. */
	if (in_group(insn, CS_GRP_BRANCH_RELATIVE) && target < 0)
		snprintf(place->text, sizeof(place->text), "%.24s -0x%llx", insn->mnemonic,
			 0ull - (unsigned long long)target);
	else
		snprintf(place->text, sizeof(place->text), "%.24s%s%.38s", insn->mnemonic,
			 insn->op_str[0] ? " " : "", insn->op_str);
}

static void walk_line(struct walk *walk, const cs_insn *insns, size_t nr, struct place *place)
{
	uint64_t loop = first_loop(insns, nr);

	choose(walk, &insns[0], place);
	for (size_t i = 0; i < nr && insns[i].address < loop; i++) {
		const cs_insn *insn = &insns[i];
		bool null_branch = walk->null_tested && insn->id == X86_INS_JE && is_emulated(insn);

		if (is_emulated(insn)) {
			choose(walk, insn, place);
			/* Behind the branch the probe costs nothing for NULL. */
			if (!null_branch)
				return;
		}
		if (!step(walk, insn, null_branch))
			return;
	}
}

static void start(struct walk *walk, const struct place_need *need)
{
	walk->need = need;
	walk->args = need->args & ((1u << PLACE_MAX_ARGS) - 1);
	memset(walk->holds, NO_ARG, sizeof(walk->holds));
	for (int arg = 0; arg < PLACE_MAX_ARGS; arg++)
		walk->holds[sysv_regs[arg]] = (int8_t)arg;
}

void place__choose(const uint8_t *code, size_t len, const struct place_need *need,
		   struct place *place)
{
	struct walk walk = { 0 };
	cs_insn *insns = NULL;

	start(&walk, need);
	memset(place, 0, sizeof(*place));
	memset(place->arg_reg, PROBE_NO_REG, sizeof(place->arg_reg));
	for (int arg = 0; arg < PLACE_MAX_ARGS; arg++) {
		if (walk.args & 1u << arg)
			place->arg_reg[arg] = sysv_regs[arg];
	}
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &walk.handle))
		return;
	cs_option(walk.handle, CS_OPT_DETAIL, CS_OPT_ON);
	size_t nr = cs_disasm(walk.handle, code, len, 0, 0, &insns);
	if (nr) {
		walk_line(&walk, insns, nr, place);
		cs_free(insns, nr);
	}
	cs_close(&walk.handle);
}
