/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions by which a function returns, for probes of PROBE_ROLE_RETURN (probe_abi.h). */
#ifndef RETURNS_H
#define RETURNS_H

#include <stddef.h>
#include <stdint.h>

struct elf_file;

/*
 * Follows the code from vaddr on through branches and direct jumps, also into other functions
 * (those return for it), not into calls. The link-time addresses of at most max returns to out; how
 * many.
 */
size_t returns__find(struct elf_file *elf, uint64_t vaddr, uint64_t *out, size_t max);

#endif /* RETURNS_H */
