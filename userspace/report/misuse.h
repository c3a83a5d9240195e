/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program does with its heap that it should not, or need not. An observer of the model;
 * blocks that its filter leaves out do not count. A site is where the block was allocated, with the
 * functions that allocated and freed it: most streams have no stacks of frees.
 */
#ifndef MISUSE_H
#define MISUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/costs.h"
#include "report/model.h"

/* The most severe first. */
enum misuse_kind {
	MISUSE_DOUBLE_FREE,  /* the block there was freed before, and none has come since */
	MISUSE_INVALID_FREE, /* of an address that was never returned */
	MISUSE_MISMATCH,     /* by a function for other blocks (report/pairing.h) */
	MISUSE_FAILED,	     /* allocations that failed */
	MISUSE_REALLOC,	     /* blocks that were reallocated; not all of that is bad */
	MISUSE_ZERO_SIZE,    /* allocations of 0 bytes */
	MISUSE_FOREIGN_FREE, /* by another thread than that which allocated; a note only */
	NR_MISUSE_KINDS
};
#define MISUSE_LAST_ERROR MISUSE_MISMATCH

/* Sites told apart, of all processes and kinds together. */
#define MISUSE_MAX_SITES 16384
/* Blocks freed lately that are remembered, of all processes together. */
#define MISUSE_MAX_FREED (1u << 20)

struct misuse_site {
	uint32_t stack;	    /* index; of the allocation; INVALID_FREE: of the free */
	uint16_t func;	    /* that allocated; REALLOC: the block at first; INVALID_FREE: 0 */
	uint16_t free_func; /* that did it; FAILED, ZERO_SIZE: 0; FOREIGN_FREE: the first one */
	struct amount sum;  /* how often, of how many bytes: 0 of DOUBLE_FREE and INVALID_FREE */
	uint64_t nr_unsure; /* of these, after events were lost; INVALID_FREE: or in a forked child
			     */
	uint64_t nr_injected; /* of these, FAILED: on purpose */
	uint64_t max_bytes;   /* of one */
	/* REALLOC: sum.bytes is what the blocks had then. */
	uint64_t nr_moved;
	uint64_t copied_bytes; /* at most: what the smaller of both held, of those moved */
	uint64_t grown_bytes;  /* shrinking apart */
	uint64_t max_chain;    /* so often was one block reallocated */
	/* The first: */
	uint64_t addr, time_ns;
	uint32_t tid;
	uint32_t free_stack;	 /* index, of the errors; 0: not known */
	uint32_t tid_before;	 /* that allocated; DOUBLE_FREE: freed it first; 0: not known */
	uint64_t time_before_ns; /* likewise */
	uint16_t func_before;	 /* DOUBLE_FREE: that freed it first */
};

struct misuse_list {
	const struct misuse_site *sites; /* the worst first */
	size_t nr_sites;
	struct amount sum; /* of these, and of those not told apart */
	uint64_t nr_unsure;
	uint64_t nr_elsewhere; /* times, at sites beyond MISUSE_MAX_SITES */
};

/* Of one process. */
struct misuse_process {
	struct misuse_list lists[NR_MISUSE_KINDS];
	uint64_t nr_older; /* frees of blocks from before it was watched: nothing is wrong */
	/* Invalid and double frees may be due to an allocator that is not watched (selfcheck). */
	bool doubtful;
	uint64_t nr_errors; /* that are sure */
};

struct misuse;

/* Begins to observe a model, before its first record. Freed before or after the model. NULL with
 * errno: there is no memory for what is freed. */
struct misuse *misuse__new(struct model *model);
void misuse__free(struct misuse *misuse);

/* What has come of a process so far. Lives until the next record, or the next call of it. */
struct misuse_process misuse__of(struct misuse *misuse, const struct process *process);

#endif /* MISUSE_H */
