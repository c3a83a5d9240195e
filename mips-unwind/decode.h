/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One MIPS instruction, as far as unwinding needs it. Encodings: "MIPS Architecture For
 * Programmers", volume II-A, revisions 5 (before release 6) and 6.
 */
#ifndef MIPS_DECODE_H
#define MIPS_DECODE_H

#include "mips_unwind.h"

enum {
	MIPS_ZERO = 0,
	MIPS_V0 = 2,
	MIPS_A0 = 4,
	MIPS_T9 = 25,
	MIPS_GP = 28,
	MIPS_SP = 29,
	MIPS_FP = 30,
	MIPS_RA = 31
};

enum mips_kind {
	INSN_OTHER,  /* writes dst */
	INSN_ADDI,   /* dst = src + imm; a move has imm 0, a li src 0 */
	INSN_ORI,    /* dst = src | imm */
	INSN_LUI,    /* dst = imm */
	INSN_ADD,    /* dst = src + other */
	INSN_SUB,    /* dst = src - other */
	INSN_LOAD,   /* dst = a slot's width at src + imm */
	INSN_STORE,  /* other to src + imm, likewise */
	INSN_BRANCH, /* perhaps to target */
	INSN_JUMP,   /* to target */
	INSN_JR,     /* to register src */
	INSN_CALL,   /* sets $ra, comes back; also those that are conditional */
	INSN_SYSCALL,
	INSN_BREAK, /* does not come back */
};

struct mips_insn {
	uint8_t kind; /* enum mips_kind */
	uint8_t dst;  /* register written; 0: none that matters */
	uint8_t src, other;
	bool delay;  /* the next instruction runs first */
	bool likely; /* ... if the branch is taken only */
	int32_t imm;
	mips_addr_t target;
};

/* Decodes the word at pc. Any word is an instruction: what is not known is INSN_OTHER. */
void mips_decode(const struct mips_machine *machine, uint32_t word, mips_addr_t pc,
		 struct mips_insn *insn);

#ifdef MIPS_UNWIND_SELF

#if defined(__mips_isa_rev) && __mips_isa_rev >= 6
#define MIPS_SELF_R6 1
#else
#define MIPS_SELF_R6 0
#endif

/* Values of _ABIO32 and _ABIN32: <sgidefs.h>, which has both, is not in every C library, and a
 * compiler knows only its own. */
#define MIPS_SELF_O32 (_MIPS_SIM == 1)
#define MIPS_SELF_N32 (_MIPS_SIM == 2)

static inline enum mips_abi mips__abi(const struct mips_machine *machine)
{
	(void)machine;
	return MIPS_SELF_O32 ? MIPS_O32 : MIPS_SELF_N32 ? MIPS_N32 : MIPS_N64;
}

static inline bool mips__r6(const struct mips_machine *machine)
{
	(void)machine;
	return MIPS_SELF_R6;
}

/* Whether values in memory are in the other byte order than this code runs in. */
static inline bool mips__swapped(const struct mips_machine *machine)
{
	(void)machine;
	return false;
}

#else

static inline enum mips_abi mips__abi(const struct mips_machine *machine)
{
	return (enum mips_abi)machine->abi;
}

static inline bool mips__r6(const struct mips_machine *machine)
{
	return machine->r6;
}

static inline bool mips__swapped(const struct mips_machine *machine)
{
	return machine->big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

#endif

/* Width of a saved register. */
static inline unsigned mips__slot_bytes(const struct mips_machine *machine)
{
	return mips__abi(machine) == MIPS_O32 ? 4 : 8;
}

static inline mips_addr_t mips__address(const struct mips_machine *machine, uint64_t value)
{
	return mips__abi(machine) == MIPS_N64 ? (mips_addr_t)value : (uint32_t)value;
}

#endif /* MIPS_DECODE_H */
