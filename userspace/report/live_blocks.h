/* SPDX-License-Identifier: BSD-2-Clause */
/* The live blocks themselves of every process, one by one: those of processes that have ended are
 * kept as they were. An observer of the model. 32 bytes a block. */
#ifndef LIVE_BLOCKS_H
#define LIVE_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "report/model.h"

struct live_block {
	uint64_t addr, bytes, time_ns;
	uint32_t stack; /* index */
	uint32_t pad;
};

/* Of one process, newest first. */
struct live_list {
	struct live_block *all;
	size_t nr, capacity;
};

struct live_blocks;

/* Begins to observe a model, before its first record. */
struct live_blocks *live_blocks__new(struct model *model);
void live_blocks__free(struct live_blocks *blocks);

/* What is live of a process now, or was at its end, and passes the model's filter. It belongs to
 * the caller: free(list.all). */
struct live_list live_blocks__of(const struct live_blocks *blocks, const struct process *process);

#endif /* LIVE_BLOCKS_H */
