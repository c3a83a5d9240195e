/* SPDX-License-Identifier: BSD-2-Clause */
/* The file a snapshot is: a recording in which each stack has allocated, once, what is live of it.
 */
#ifndef PRELOAD_SNAPSHOT_OUT_H
#define PRELOAD_SNAPSHOT_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "stacks.h"

/* What is live of a stack. */
struct live_sum {
	uint64_t bytes;
	uint32_t blocks;
	uint16_t func; /* that allocated */
	uint16_t pad;
};

#define SNAPSHOT_OUT_MEMORY (16u << 10)

/* One thread at a time. sums: by id of a stack, and as 0 what has none; nr_sums of them. buffer:
 * SNAPSHOT_OUT_MEMORY bytes, aligned to 8. all_stacks: also those of which nothing is live. Returns
 * 0, or -errno. No lock is taken: also for signal handlers. */
int snapshot_out__write(const char *path, const struct stacks *stacks, const struct live_sum *sums,
			uint32_t nr_sums, uint64_t nr_lost, bool all_stacks, void *buffer);

#endif /* PRELOAD_SNAPSHOT_OUT_H */
