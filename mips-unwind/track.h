/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of sp, fp and $ra along a way through a function from a place where a stack is
 * walked, one instruction after the other. Which way is forward.c's to choose.
 */
#ifndef MIPS_TRACK_H
#define MIPS_TRACK_H

#include "internal.h"

enum mips_base { BASE_SP, BASE_FP, BASE_NONE };

/* Where a register was loaded from: base + at. */
struct mips_slot {
	bool known;
	uint8_t base; /* enum mips_base */
	int32_t at;
};

/* What is known at a place: of sp, relative to what sp or fp were where the scan began. */
struct mips_state {
	mips_addr_t pc;
	int32_t sp;
	uint8_t base;  /* of sp */
	bool ra_lost;  /* the value it had at the start is no longer in the register */
	bool fp_is_sp; /* fp was set to what sp was: base BASE_SP, fp_at */
	bool fp_lost;  /* fp is something else now */
	int32_t fp_at;
	struct mips_slot ra, fp;
	struct mips_slot ra_saved; /* where this scan saw the register stored, not lost yet */
};

#define MIPS_NR_REGISTERS 32

struct mips_track {
	struct mips_scan scan;
	bool exact;
	struct mips_state now;
	uint32_t known; /* registers with a constant */
	int32_t values[MIPS_NR_REGISTERS];
};

enum mips_outcome {
	TRACK_GO_ON,
	TRACK_DEAD,
	TRACK_OTHER, /* dead, for this is another function: the call before it did not return */
	TRACK_FOUND, /* the rule */
};

/* Does an instruction that is no branch. Never TRACK_FOUND. */
enum mips_outcome mips_track__apply(struct mips_track *track, const struct mips_insn *insn,
				    mips_addr_t pc);
/*
 * Whether the frame is given back, so that a jump from here leaves the function, by *rule. What is
 * in *rule otherwise is what is known.
 */
bool mips_track__is_given_back(const struct mips_track *track, struct mips_rule *rule);

#endif /* MIPS_TRACK_H */
