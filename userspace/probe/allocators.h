/* SPDX-License-Identifier: BSD-2-Clause */
/* Which allocator functions a file has, and where to probe each: alloc_api.h meets an ELF file. */
#ifndef ALLOCATORS_H
#define ALLOCATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/place.h"

struct elf_file;
struct allocator_config;

/* What a function returns: the column `result` of ALLOC_SHAPES. */
enum alloc_result {
	ALLOC_RESULT_NONE,
	ALLOC_RESULT_BLOCK,
	ALLOC_RESULT_IN_PLACE,
	ALLOC_RESULT_MAPPING
};

/* One row of alloc_api.h with its shape, as data. Argument positions from 1; 0: none. */
struct alloc_fn {
	uint16_t number;
	const char *family;
	const char *symbol;
	uint8_t size, count, ptr, out;
	uint8_t result; /* enum alloc_result */
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
 * Finds the sites of elf, the file that the process knows as path (NULL: of no name). Returns how
 * many (0: no allocator here), *sites to be freed by the caller; -errno when the file cannot be
 * read. config (probe/custom.h; NULL: the defaults) must outlive the sites, and notes which of its
 * functions were found.
 */
int allocators__find(struct elf_file *elf, const struct allocator_config *config, const char *path,
		     struct probe_site **sites);

/*
 * Does the file ask the kernel for memory itself (it imports mmap, sbrk, brk or madvise, or is a
 * static program)? Then it may hold an allocator that nobody here knows.
 */
bool allocators__maps_memory(struct elf_file *elf);

/* Why allocators__find returned 0: a static program without symbols. The sentence that says so and
 * what to do about it, to be freed; NULL: not for that reason. */
char *allocators__why_none(struct elf_file *elf, const char *path);

#endif /* ALLOCATORS_H */
