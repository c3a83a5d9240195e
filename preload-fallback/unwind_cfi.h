/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Call frame information (.eh_frame) of one address: finds the entry and carries out its
 * instructions as far as the address. The tables are in our own memory, yet nobody vouches for
 * them: every read stays in the module's segment, every loop ends with the bytes it reads.
 *
 * unwind_cfi.c finds and reads the entries, unwind_cfi_program.c carries out their instructions.
 */
#ifndef UNWIND_CFI_H
#define UNWIND_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind_module.h"
#include "unwind_reader.h"
#include "unwind_row.h"

/* The rule at an address of a module's code (of a return address: of the byte in front of it).
 * ROW_GAP: there is none. */
unwind_row unwind_cfi__row(const struct unwind_module *module, uintptr_t address);

/* An entry, as the program needs it. */
struct unwind_cfi_entry {
	uint64_t code_align;
	int64_t data_align;
	struct unwind_reader initial, program; /* instructions of the CIE and of the FDE */
	uintptr_t start, end;
	uint8_t pointer_encoding;
	bool is_signal;
};

/* The rule at an address from entry->start to entry->end. False: the instructions are damaged, or
 * the rule cannot be said. */
bool unwind_cfi__run(const struct unwind_cfi_entry *entry, uintptr_t address,
		     struct unwind_rule *rule);

#endif /* UNWIND_CFI_H */
