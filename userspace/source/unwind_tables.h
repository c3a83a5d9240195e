/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts the unwind tables of files where the walker in the kernel reads them (bpf/unwind_maps.h). */
#ifndef UNWIND_TABLES_H
#define UNWIND_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "unwind/rows.h"
#include "unwind_abi.h"

/* Descriptors of the BPF maps, the caller's. */
struct unwind_map_fds {
	int modules, rules, chunks;
};

struct unwind_tables {
	struct unwind_map_fds fds;
	struct unwind_module *modules;
	uint8_t *rules;
	size_t nr_rules, nr_modules, nr_blocks;
	struct unwind_block *chunks[UNWIND_MAX_CHUNKS]; /* NULL: not there yet */
	struct hmap rule_numbers;			/* hash of a rule -> its number */
};

/* 0 or -errno. */
int unwind_tables__open(struct unwind_tables *tables, const struct unwind_map_fds *fds);
void unwind_tables__close(struct unwind_tables *tables);

/* Loads a file's table; its number for unwind_space__map, UNWIND_MODULE_UNKNOWN when there is no
 * room. A table without rows, or NULL, is a module without unwind information. */
uint32_t unwind_tables__add(struct unwind_tables *tables, const struct unwind_table *table);

/* What the walker sees, for walking here; NULL: not there. */
const struct unwind_rule *unwind_tables__rule(const struct unwind_tables *tables, uint32_t number);
const struct unwind_block *unwind_tables__block(const struct unwind_tables *tables,
						uint32_t number);

#endif /* UNWIND_TABLES_H */
