/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls of PROBE_ROLE_INTERNAL_FREE (probe_abi.h) in a C library. */
#ifndef INTERNAL_FREE_H
#define INTERNAL_FREE_H

#include <stddef.h>
#include <stdint.h>

struct elf_file;

/*
 * Link-time addresses of the instructions that call the function at free_vaddr directly, within
 * [start, end), or where that is empty, in its neighbourhood. At most max to out; returns how many.
 */
size_t internal_free__find(const struct elf_file *elf, uint64_t free_vaddr, uint64_t start,
			   uint64_t end, uint64_t *out, size_t max);

#endif /* INTERNAL_FREE_H */
