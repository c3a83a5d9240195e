/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which instruction of a function to probe (DESIGN: "Choose the instruction"; traps 15): the first
 * one the kernel emulates, reached by every call in a straight line, with the arguments still
 * known. Pure: bytes in, a decision out. x86-64, decoded by Capstone.
 */
#ifndef PLACE_H
#define PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACE_MAX_ARGS 6

/* What the probe must still know at the chosen instruction. */
struct place_need {
	uint32_t args; /* bit i: argument i (0..5, SysV order) is read */
	bool returns;  /* a return probe is set too: nothing may have been pushed yet (trap 15) */
	bool null_is_nothing; /* a call whose only argument is NULL need not be seen (free) */
};

struct place {
	uint32_t offset; /* bytes into the function */
	bool emulated;	 /* the kernel emulates the instruction; false: single-steps a copy */
	uint8_t arg_reg[PLACE_MAX_ARGS]; /* where each needed argument is, x86 register number; else
					    PROBE_NO_REG */
	uint32_t pushed_words; /* 8-byte words between the stack pointer and the return address */
	char text[64];	       /* the instruction, for people: "push r12" */
};

/*
 * Chooses among the first len bytes of a function (give 64 where there are as many). Always
 * succeeds: where nothing qualifies it is the entry. Corrupt code is survived.
 */
void place__choose(const uint8_t *code, size_t len, const struct place_need *need,
		   struct place *place);

#endif /* PLACE_H */
