/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks of one stream: wire ids in, frames out. Equal stacks are stored once, whatever their ids,
 * and are then known by a dense index. Frames are u32 numbers the caller chose (code locations), so
 * this knows nothing of addresses. Ids come from a file or a kernel: any value is survived.
 */
#ifndef STACKS_H
#define STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stack {
	const uint32_t *frames; /* innermost first */
	uint32_t nr_frames;
	bool cut; /* the outer end is missing */
};

struct stacks;

struct stacks *stacks__new(void);
void stacks__free(struct stacks *stacks);
/* Binds wire id to a stack, replacing an earlier binding. Index 0 is the empty stack, id 0 names
 * it. */
void stacks__add(struct stacks *stacks, uint32_t id, const uint32_t *frames, uint32_t nr_frames,
		 bool cut);
/* The index of id's stack; 0 (the empty stack) for an id never seen. */
uint32_t stacks__index(const struct stacks *stacks, uint32_t id);
/* The stack of an index below stacks__count. Its frames live until the next stacks__add. */
struct stack stacks__get(const struct stacks *stacks, uint32_t index);
uint32_t stacks__count(const struct stacks *stacks);

#endif /* STACKS_H */
