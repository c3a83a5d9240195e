/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How to come from a frame to its caller, in one word: so that it can be stored and loaded at once.
 *
 *	bits  0-3	kind: what the CFA is, or what there is instead of a frame
 *	bits  4-5	fp: what the caller's frame pointer is
 *	bit   6		the return address is in the link register (arm64)
 *	bits  7-25	CFA offset	\
 *	bits 26-44	RA offset	 } signed, in words of 8 bytes
 *	bits 45-63	FP offset	/
 */
#ifndef UNWIND_ROW_H
#define UNWIND_ROW_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t unwind_row;

enum {
	ROW_NOWHERE,  /* no code is known there */
	ROW_GAP,      /* code without a rule, or with one that cannot be said here */
	ROW_SP,	      /* CFA is sp + CFA offset */
	ROW_FP,	      /* CFA is fp + CFA offset */
	ROW_SP_DEREF, /* CFA is *(sp + CFA offset) + RA offset, the return address below it */
	ROW_FP_DEREF, /* the same with fp */
	ROW_PLT,      /* x86-64, a lazy PLT entry: CFA is sp + 8, or 16 once its push is done */
	ROW_SIGNAL,   /* the kernel's frame of a signal handler */
	ROW_SIGNAL_NOWHERE, /* the same, of code that no file has */
	ROW_CHAIN,    /* by the frame pointer, with caution */
	ROW_END,      /* the outermost frame */
};

enum {
	ROW_FP_SAME,
	ROW_FP_SAVED, /* at CFA + FP offset */
	ROW_FP_AT_FP, /* at fp + FP offset */
	ROW_FP_LOST,
};

struct unwind_rule {
	unsigned kind, fp;
	bool is_ra_in_lr;
	int64_t cfa_offset, ra_offset, fp_offset; /* bytes */
};

static inline unsigned unwind_row__kind(unwind_row row)
{
	return row & 15;
}

static inline unsigned unwind_row__fp(unwind_row row)
{
	return row >> 4 & 3;
}

static inline bool unwind_row__is_ra_in_lr(unwind_row row)
{
	return row >> 6 & 1;
}

static inline int64_t unwind_row__cfa_offset(unwind_row row)
{
	return ((int64_t)(row << 38) >> 45) * 8;
}

static inline int64_t unwind_row__ra_offset(unwind_row row)
{
	return ((int64_t)(row << 19) >> 45) * 8;
}

static inline int64_t unwind_row__fp_offset(unwind_row row)
{
	return ((int64_t)row >> 45) * 8;
}

static inline bool unwind_row__fits(int64_t offset)
{
	return !(offset & 7) && offset >= -(1 << 18) * 8l && offset < (1 << 18) * 8l;
}

/* ROW_GAP where the rule does not fit. */
static inline unwind_row unwind_row__pack(const struct unwind_rule *rule)
{
	const uint64_t mask = (1 << 19) - 1;

	if (!unwind_row__fits(rule->cfa_offset) || !unwind_row__fits(rule->ra_offset) ||
	    !unwind_row__fits(rule->fp_offset))
		return ROW_GAP;
	return rule->kind | (uint64_t)rule->fp << 4 | (uint64_t)rule->is_ra_in_lr << 6 |
	       ((uint64_t)(rule->cfa_offset / 8) & mask) << 7 |
	       ((uint64_t)(rule->ra_offset / 8) & mask) << 26 |
	       ((uint64_t)(rule->fp_offset / 8) & mask) << 45;
}

#endif /* UNWIND_ROW_H */
