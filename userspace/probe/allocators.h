/* SPDX-License-Identifier: BSD-2-Clause */
/* Which allocator functions a file has, and where to probe each: alloc_api.h meets an ELF file. */
#ifndef ALLOCATORS_H
#define ALLOCATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/place.h"

struct elf_file;

/* One row of alloc_api.h with its shape, as data. Argument positions from 1; 0: none. */
struct alloc_fn {
	uint16_t number;
	const char *family;
	const char *symbol;
	uint8_t size, count, ptr, out;
};

extern const struct alloc_fn alloc_fns[];
extern const size_t nr_alloc_fns;
/* NULL for an unknown number. */
const struct alloc_fn *alloc_fn__by_number(uint16_t number);
/* Has a return to be watched (everything that allocates)? */
bool alloc_fn__returns(const struct alloc_fn *fn);

/* One probe: two symbols at one address are one site. */
struct probe_site {
	const struct alloc_fn *fn;
	uint64_t file_offset; /* of the probed instruction */
	uint64_t vaddr;	      /* of the function */
	uint64_t cookie;      /* probe_abi.h */
	struct place place;
	uint32_t role; /* PROBE_ROLE_* of probe_abi.h, also in the cookie */
};

/*
 * Finds the sites of elf. Returns how many (0: no allocator here), *sites to be freed by the
 * caller; -errno when the file cannot be read.
 */
int allocators__find(struct elf_file *elf, struct probe_site **sites);

#endif /* ALLOCATORS_H */
