/* SPDX-License-Identifier: BSD-2-Clause */
/* What is still live, by allocating stack: an immutable snapshot of a model, sorted, with names. */
#ifndef LEAKS_H
#define LEAKS_H

#include <stddef.h>
#include <stdint.h>

#include "report/model.h"
#include "report/selfcheck.h"

/* Of each process. How old blocks must be, the model was told (older_ns). */
struct leaks_filter {
	uint64_t min_bytes, min_count; /* of an entry; 0: any */
	uint64_t top;		       /* the largest entries only; 0: all */
	uint64_t depth; /* frames kept of a stack, entries that become equal are one; 0: all */
};

struct leak_frame {
	const char *function; /* NULL: unknown */
	const char *file;     /* NULL: unknown; a whole path */
	uint32_t line;	      /* of the call; 0: unknown */
	const char *module;   /* path; NULL: no file was mapped there */
	uint64_t offset;      /* of the return address: link-time address in the module */
	uint64_t address;     /* of the return address in the process */
	bool inlined;	      /* into the frame that follows */
};

/* The frames of one stack of a process, owned. Names must have been resolved. */
struct leak_frames {
	struct leak_frame *frames;
	uint32_t nr;
	bool cut;
};
/* space: of the process; NULL: addresses are not wanted. */
struct leak_frames leak_frames__of(const struct model *model, const struct space *space,
				   uint32_t stack);
void leak_frames__clear(struct leak_frames *frames);

struct leak {
	uint64_t bytes, blocks;
	uint64_t oldest_ns, newest_ns;	 /* age of the blocks at the end */
	const char *family;		 /* of allocators; NULL: unknown */
	const struct leak_frame *frames; /* innermost first */
	uint32_t nr_frames;
	bool cut; /* frames are missing at the outer end */
};

/* What is live of one family of allocators. */
struct leak_family {
	const char *name; /* NULL: unknown */
	bool of_libc;
	uint64_t blocks, bytes;
};

/* Of one process. */
struct leaks {
	const struct process *process;
	struct heap_totals totals;
	uint64_t leaked_blocks, leaked_bytes; /* old enough, whatever the filter */
	const struct leak *entries;	      /* largest first */
	size_t nr_entries;
	size_t nr_hidden;		    /* entries that the filter left out */
	const struct leak_family *families; /* of the leaked blocks, largest first */
	size_t nr_families;
	struct selfcheck selfcheck;
};

/* Of all processes, in the order of their appearance; at least one (model__first). */
struct leaks_report {
	const struct model *model;
	const struct leaks *processes;
	size_t nr_processes;
	size_t nr_entries; /* of all */
};

/* Resolves the names of what is shown. progress as in sym__resolve, may be NULL. The model must
 * outlive the result and not change. */
struct leaks_report *leaks__build(struct model *model, const struct leaks_filter *filter,
				  void (*progress)(uint32_t done, uint32_t modules, void *data),
				  void *data);
void leaks__free(struct leaks_report *report);

#endif /* LEAKS_H */
