/* SPDX-License-Identifier: BSD-2-Clause */
/* Which functions of a file are an allocator's, and whose: by their names, and by the user's word.
 */
#ifndef SEARCH_H
#define SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/custom.h"

struct elf_file;

/* A file that defines more is not an allocator but an attempt on our memory. */
#define SEARCH_MAX_FOUND 512

struct found {
	const struct alloc_fn *fn;
	uint64_t vaddr;
};

struct search {
	struct found found[SEARCH_MAX_FOUND]; /* by number; no address twice */
	size_t nr;
	const char *family; /* of the names that all families have */
	bool is_static;
	/* glibc's code for a thread's end, where symbols tell; else empty. */
	uint64_t thread_end_start, thread_end_end;
};

/* The result is the caller's to free. Arguments as for allocators__find, config not NULL. */
struct search *search__file(struct elf_file *elf, const struct allocator_config *config,
			    const char *path);

#endif /* SEARCH_H */
