// SPDX-License-Identifier: BSD-2-Clause
/* Reads code, and says whether an address in it can be a caller's. */
#include <string.h>

#include "internal.h"

bool mips_code__enter(struct mips_scan *scan, mips_addr_t pc)
{
	struct mips_code *code = &scan->code;

	if (pc & 3)
		return false;
	if (code->lo <= pc && pc < code->hi && code->hi - pc >= 4)
		return true;
	*code = (struct mips_code){ 0, 0, NULL };
	if (scan->unwind->memory.code(scan->unwind->memory.env, pc, code) && code->lo <= pc &&
	    pc < code->hi && code->hi - pc >= 4)
		return true;
	code->lo = code->hi = 0;
	return false;
}

bool mips_code__word(struct mips_scan *scan, mips_addr_t pc, uint32_t *word)
{
	const struct mips_memory *memory = &scan->unwind->memory;
	const struct mips_code *code = &scan->code;

	if (pc < code->lo || pc >= code->hi || code->hi - pc < 4)
		return false;
	if (code->bytes)
		memcpy(word, (const char *)code->bytes + (pc - code->lo), sizeof(*word));
	else if (!memory->read(memory->env, pc, word, sizeof(*word)))
		return false;
	if (mips__swapped(&scan->unwind->machine))
		*word = __builtin_bswap32(*word);
	return true;
}

bool mips_code__insn(struct mips_scan *scan, mips_addr_t pc, struct mips_insn *insn)
{
	uint32_t word;

	if (!mips_code__word(scan, pc, &word))
		return false;
	mips_decode(&scan->unwind->machine, word, pc, insn);
	return true;
}

/*
 * A call sets the register that functions return by; it is before pc, or before its delay slot. It
 * may be of another function than pc, where it does not return.
 */
static bool is_behind_call(struct mips_scan *scan, mips_addr_t pc)
{
	struct mips_insn insn;

	if (mips_code__enter(scan, pc - 8) && mips_code__insn(scan, pc - 8, &insn) &&
	    insn.kind == INSN_CALL && insn.dst == MIPS_RA && insn.delay)
		return true;
	return mips_code__enter(scan, pc - 4) && mips_code__insn(scan, pc - 4, &insn) &&
	       insn.kind == INSN_CALL && insn.dst == MIPS_RA && !insn.delay;
}

enum mips_end mips_code__check(const struct mips_unwind *unwind, mips_addr_t pc, bool exact)
{
	struct mips_scan scan = { .unwind = unwind };

	if (pc & 1)
		return MIPS_END_ISA;
	if (!exact && mips_signal__is_trampoline(unwind, pc))
		return MIPS_END_BOTTOM;
	if (!mips_code__enter(&scan, pc))
		return MIPS_END_CODE;
	return exact || is_behind_call(&scan, pc) ? MIPS_END_BOTTOM : MIPS_END_CALL;
}

/* System calls that end a thread: exit, exit_group (asm/unistd.h). */
bool mips_code__is_exit(const struct mips_machine *machine, int32_t number)
{
	static const int16_t numbers[][2] = {
		[MIPS_O32] = { 4001, 4246 },
		[MIPS_N32] = { 6058, 6205 },
		[MIPS_N64] = { 5058, 5205 },
	};
	const int16_t *row = numbers[mips__abi(machine)];

	return number == row[0] || number == row[1];
}

/* How far the load of the function is looked for in front of its call. */
#define STARTER_INSNS 3

/*
 * Is pc where a thread's function returns to in a C library that ends the thread by a call, which looks
 * as if it came back? The function and its argument are the lowest words of the new stack: in o32 there
 * is room for arguments, and no compiler keeps a variable there.
 */
static bool is_starter(struct mips_scan *scan, mips_addr_t pc)
{
	struct mips_insn insn;

	if (mips__abi(&scan->unwind->machine) != MIPS_O32 || !mips_code__insn(scan, pc - 4, &insn) ||
	    insn.kind != INSN_LOAD || insn.dst != MIPS_A0 || insn.src != MIPS_SP || insn.imm != 4)
		return false;
	pc -= 8;
	for (unsigned i = 0; i < STARTER_INSNS; i++) {
		pc -= 4;
		if (!mips_code__insn(scan, pc, &insn) || insn.kind >= INSN_BRANCH)
			return false;
		if (insn.kind == INSN_LOAD && insn.dst == MIPS_T9)
			return insn.src == MIPS_SP && insn.imm == 0;
	}
	return false;
}

/* How far a bottom is looked for behind the call: exit(f(x)) in the C library's first functions. */
#define BOTTOM_INSNS 8

bool mips_code__is_bottom(const struct mips_unwind *unwind, mips_addr_t pc)
{
	struct mips_scan scan = { .unwind = unwind };
	struct mips_insn insn;
	int32_t v0 = 0;
	unsigned i;

	if (!mips_code__enter(&scan, pc))
		return false;
	if (is_starter(&scan, pc))
		return true;
	for (i = 0; i < BOTTOM_INSNS; i++, pc += 4) {
		if (!mips_code__insn(&scan, pc, &insn))
			return false;
		if (insn.kind == INSN_JUMP)
			return insn.target == pc;
		if (insn.kind == INSN_SYSCALL)
			return mips_code__is_exit(&unwind->machine, v0);
		if (insn.kind == INSN_ADDI && insn.dst == MIPS_V0)
			v0 = insn.src == MIPS_ZERO ? insn.imm : 0;
		else if (insn.dst == MIPS_V0)
			v0 = 0;
		if (insn.kind >= INSN_BRANCH)
			return false;
	}
	return false;
}
