/* SPDX-License-Identifier: BSD-2-Clause */
/* One walk with libdwfl, in the worker. Nothing here is safe from hostile files: see finish.h. */
#ifndef FINISH_WALK_H
#define FINISH_WALK_H

#include "unwind/finish_link.h"

struct finish_mapping {
	uint64_t start, end, vaddr;
};

/* The mapping that has address. Returns a descriptor of its file, to be closed by the caller, or
 * -1: none. */
typedef int finish_find(void *data, uint64_t address, struct finish_mapping *mapping);

struct finish_walk;

/* find is called for addresses of mappings not seen before; what it found is remembered. */
struct finish_walk *finish_walk__new(finish_find *find, void *data);
void finish_walk__free(struct finish_walk *walk);
/* Forgets all mappings. */
void finish_walk__forget(struct finish_walk *walk);
/* Does what the area's request asks for. */
void finish_walk__run(struct finish_walk *walk, struct finish_area *area);

#endif /* FINISH_WALK_H */
