/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unwind tables as the BPF programs read them. Userspace compiles a module's .eh_frame into rows; a
 * row is a link-time address and a rule that holds from there to the next row. Real programs need few
 * distinct rules, so rows name them by a 16-bit number.
 *
 * Rows live in blocks of 64, and blocks of 64 first addresses lead to them, level by level: a tree
 * with few steps, each a search inside one block of memory.
 */
#ifndef UNWIND_ABI_H
#define UNWIND_ABI_H

#ifndef __bpf__
#include <stdint.h>
#endif

/* How the canonical frame address (CFA: the stack pointer before the call) is found. */
enum {
	UNWIND_CFA_NONE = 0,	  /* no rule: the walk must be finished in userspace */
	UNWIND_CFA_RSP = 1,	  /* rsp + cfa_offset */
	UNWIND_CFA_RBP = 2,	  /* rbp + cfa_offset */
	UNWIND_CFA_RSP_DEREF = 3, /* *(rsp + cfa_offset) + cfa_extra */
	UNWIND_CFA_RBP_DEREF = 4, /* *(rbp + cfa_offset) + cfa_extra */
	UNWIND_CFA_PLT = 5,	  /* rsp + 8 + ((pc & 15) >= 11 ? 8 : 0), binutils' lazy PLT entries */
	UNWIND_CFA_SIGNAL = 6,	  /* the caller's registers are in the signal frame at rsp */
	UNWIND_CFA_END = 7,	  /* the outermost frame: nobody called it */
};

/* Where the caller's rbp is. The return address is always at CFA - 8 (x86-64 psABI). */
enum {
	UNWIND_RBP_SAME = 0,
	UNWIND_RBP_SAVED = 1, /* at CFA + rbp_offset */
	UNWIND_RBP_LOST = 2,  /* not known any more */
};

struct unwind_rule {
	uint8_t cfa; /* UNWIND_CFA_* */
	uint8_t rbp; /* UNWIND_RBP_* */
	int16_t rbp_offset;
	int32_t cfa_offset;
	int32_t cfa_extra; /* of the DEREF kinds */
};
_Static_assert(sizeof(struct unwind_rule) == 12, "unwind layout");

#define UNWIND_MAX_RULES 65536

#define UNWIND_BLOCK_ROWS 64
struct unwind_block {
	uint32_t pc[UNWIND_BLOCK_ROWS];	  /* from the module's base; unused: ~0 */
	uint16_t rule[UNWIND_BLOCK_ROWS]; /* of leaves */
};
_Static_assert(sizeof(struct unwind_block) == 384, "unwind layout");

/* Signal frame of Linux x86-64: offsets from rsp at the return into the trampoline (struct rt_sigframe
 * without its return address, arch/x86/include/asm/sigframe.h; struct sigcontext_64). */
#define UNWIND_SIGNAL_RBP 120
#define UNWIND_SIGNAL_RSP 160
#define UNWIND_SIGNAL_RIP 168

#endif /* UNWIND_ABI_H */
