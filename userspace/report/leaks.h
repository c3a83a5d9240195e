/* SPDX-License-Identifier: BSD-2-Clause */
/* What is still live in a process, by allocating stack and family: an immutable snapshot, sorted, with
 * names. */
#ifndef LEAKS_H
#define LEAKS_H

#include <stddef.h>
#include <stdint.h>

#include "report/model.h"

struct leaks_filter {
	uint64_t min_bytes, min_count; /* of an entry; 0: any */
	uint64_t older_ns;	       /* only blocks at least so old at the end; 0: all */
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

/* The frames of one stack of a model, owned. Names must have been resolved. */
struct leak_frames {
	struct leak_frame *frames;
	uint32_t nr;
	bool cut;
};
struct leak_frames leak_frames__of(const struct model *model, uint32_t stack);
void leak_frames__clear(struct leak_frames *frames);

struct leak {
	const char *family; /* of the functions that allocated the blocks */
	uint64_t bytes, blocks;
	uint64_t oldest_ns, newest_ns;	 /* age of the blocks at the end */
	const struct leak_frame *frames; /* innermost first */
	uint32_t nr_frames;
	bool cut; /* frames are missing at the outer end */
};

struct leaks {
	const struct model *model;
	const struct process *process;
	struct heap_totals totals;
	uint64_t leaked_blocks, leaked_bytes; /* that pass older_ns, whatever the other filters */
	const struct leak *entries;	      /* largest first */
	size_t nr_entries;
	size_t nr_hidden; /* entries that the filters left out */
	size_t nr_families; /* of live blocks, those left out included */
};

/* Of a process of the model. Resolves the names of what is shown. progress as in sym__resolve, may be
 * NULL. The model must outlive the result and not change. */
struct leaks *leaks__build(struct model *model, const struct process *process,
			   const struct leaks_filter *filter,
			   void (*progress)(uint32_t done, uint32_t modules, void *data),
			   void *data);
void leaks__free(struct leaks *leaks);

#endif /* LEAKS_H */
