/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts unwind tables and mappings where the walker in the kernel reads them (bpf/unwind_maps.h). */
#ifndef UNWIND_TABLES_H
#define UNWIND_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "unwind/rows.h"
#include "unwind_abi.h"

/* Descriptors of the BPF maps, the caller's. */
struct unwind_map_fds {
	int ranges, modules, rules, chunks;
};

struct mapped_code {
	uint64_t start, end, bias;
	uint32_t module;
};

struct unwind_tables {
	struct unwind_map_fds fds;
	struct unwind_ranges *views; /* two, shared with the kernel */
	uint32_t *current_view;	     /* counts up; the kernel reads the view of its last bit */
	struct unwind_module *modules;
	uint8_t *rules;
	size_t nr_rules, nr_modules, nr_blocks;
	struct unwind_block *chunks[UNWIND_MAX_CHUNKS]; /* NULL: not there yet */
	struct hmap rule_numbers;			/* hash of a rule -> its number */
	struct mapped_code *code;			/* sorted, not overlapping */
	size_t nr_code, code_capacity;
	bool too_many_told;
};

/* current_view: the programs' variable ranges_view. 0 or -errno. */
int unwind_tables__open(struct unwind_tables *tables, const struct unwind_map_fds *fds,
			uint32_t *current_view);
void unwind_tables__close(struct unwind_tables *tables);

/* Loads a file's table; its number for unwind_tables__map, UNWIND_MODULE_UNKNOWN when there is no
 * room. A table without rows, or NULL, is a module without unwind information. */
uint32_t unwind_tables__add(struct unwind_tables *tables, const struct unwind_table *table);

/* [start, end) shows a module's code, start being its link-time address vaddr; what it overlaps is
 * gone. module may be UNWIND_MODULE_JIT or _UNKNOWN. Takes effect with unwind_tables__publish. */
void unwind_tables__map(struct unwind_tables *tables, uint64_t start, uint64_t end, uint64_t vaddr,
			uint32_t module);
/* Nothing is mapped any more. Likewise. */
void unwind_tables__unmap_all(struct unwind_tables *tables);
void unwind_tables__publish(struct unwind_tables *tables);

/* What the walker sees, for walking here; NULL: not there. */
const struct unwind_rule *unwind_tables__rule(const struct unwind_tables *tables, uint32_t number);
const struct unwind_block *unwind_tables__block(const struct unwind_tables *tables,
						uint32_t number);

#endif /* UNWIND_TABLES_H */
