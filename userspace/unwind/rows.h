/* SPDX-License-Identifier: BSD-2-Clause */
/* The unwind table of one file: sorted rows, each an address and a rule (bpf/unwind_abi.h). */
#ifndef ROWS_H
#define ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "unwind_abi.h"

struct unwind_row {
	uint32_t pc;   /* link-time address - base; the rule holds from here to the next row */
	uint16_t rule; /* index into rules */
	uint16_t pad;
};

struct unwind_table {
	uint64_t base;		 /* lowest link-time address covered */
	struct unwind_row *rows; /* sorted by pc, no two equal, neighbours differ in rule */
	size_t nr_rows;
	struct unwind_rule *rules; /* no two equal; one of them is all zero (UNWIND_CFA_NONE) */
	size_t nr_rules;	   /* at most UNWIND_MAX_RULES */
};

void unwind_table__free(struct unwind_table *table);

/*
 * Building: ranges may be added in any order, may overlap (the first added keeps what it has) and
 * may leave gaps, which become explicit UNWIND_CFA_NONE rows.
 */
struct rows_builder;
struct rows_builder *rows_builder__new(void);
void rows_builder__free(struct rows_builder *builder);
/* The rule of [start, end). An empty or reversed range is ignored. 0, or -E2BIG: too many rows. */
int rows_builder__add(struct rows_builder *builder, uint64_t start, uint64_t end,
		      const struct unwind_rule *rule);
/* Where the next range behind an address begins; UINT64_MAX: none does. */
uint64_t rows_builder__next(const struct rows_builder *builder, uint64_t address);
/* Sorts and compacts. A table without rows is a valid result; addresses further than 4 GiB from the
 * lowest, and rules past UNWIND_MAX_RULES, become rules that do not fit (UNWIND_CFA_NONE with
 * UNWIND_RBP_LOST). The builder is empty afterwards. */
struct unwind_table *rows_builder__finish(struct rows_builder *builder);

/* The rule at a link-time address; NULL outside. For tests and for comparing. */
const struct unwind_rule *unwind_table__find(const struct unwind_table *table, uint64_t vaddr);

#endif /* ROWS_H */
