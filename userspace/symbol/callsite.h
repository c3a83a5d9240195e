/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The call that a return address comes from, by the machine code in front of it. It tells which
 * line a call is in where a call has a delay slot, and whether a file is the one that ran at all.
 */
#ifndef CALLSITE_H
#define CALLSITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;

/* Return addresses looked at. */
struct callsite_fit {
	size_t nr;	   /* of them */
	size_t nr_outside; /* not in code of the file */
	size_t nr_calls;   /* behind a call */
	size_t nr_unknown; /* of machines we cannot tell for, or without their code (debug files) */
};

/*
 * An address inside the call instruction that returns to vaddr (link-time, as recorded; with the
 * lowest bit set where that means microMIPS, MIPS16 or Thumb). When the instruction cannot be told:
 * the last byte before vaddr.
 */
uint64_t callsite__of(const struct elf_file *elf, uint64_t vaddr);

/* Counts how well nr return addresses go with a file. */
struct callsite_fit callsite__fit(const struct elf_file *elf, const uint64_t *vaddrs, size_t nr);

/*
 * May these addresses have come from this file? No, when half of them or more lie outside its code
 * or are not behind a call. (Interrupted code of signal handlers is not behind one.)
 */
bool callsite__is_plausible(const struct callsite_fit *fit);

#endif /* CALLSITE_H */
