/* SPDX-License-Identifier: BSD-2-Clause */
/* What a watched process has mapped, where the walker in the kernel reads it (bpf/unwind_maps.h).
 */
#ifndef UNWIND_SPACE_H
#define UNWIND_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind_abi.h"

struct mapped_code {
	uint64_t start, end, bias;
	uint32_t module;
};

struct unwind_space {
	struct unwind_process *process;	   /* shared with the kernel; NULL: closed */
	struct unwind_range_block *blocks; /* of all processes, shared likewise */
	uint32_t first_block, nr_blocks;   /* the two views have nr_blocks each, from there on */
	struct unwind_slots *slots;	   /* where more room comes from; NULL: nowhere */
	struct mapped_code *code;	   /* sorted, not overlapping */
	size_t nr_code, code_capacity;
	bool too_many_told;
};

/* Slots, and runs of blocks of ranges, that were given back. */
struct unwind_spare {
	uint32_t *numbers;
	size_t nr, capacity;
};

/* All slots for processes, and the blocks for what they have mapped. */
struct unwind_slots {
	struct unwind_process *processes;
	struct unwind_range_block *blocks;
	uint32_t max_blocks, nr_blocks; /* ever used */
	uint32_t nr_slots;		/* likewise */
	uint32_t next_serial;		/* of unwind_process */
	struct unwind_spare slots;
	struct unwind_spare
		runs[6]; /* first blocks of pairs of views of 1, 2, 4 ... 32 blocks each */
};

/* Both descriptors, of BPF maps, are needed in the call only; ranges_fd's has max_blocks elements.
 * 0 or -errno. */
int unwind_slots__open(struct unwind_slots *slots, int processes_fd, int ranges_fd,
		       uint32_t max_blocks);
void unwind_slots__close(struct unwind_slots *slots);

/* Gives space a slot in which nothing is mapped. 0; -ENOSPC when there are too many processes; or
 * -errno. */
int unwind_space__open(struct unwind_space *space, struct unwind_slots *slots);
/* Gives it back. The process must not run probes any more. */
void unwind_space__close(struct unwind_space *space, struct unwind_slots *slots);

/* [start, end) shows a module's code, start being its link-time address vaddr; what it overlaps is
 * gone. module may be UNWIND_MODULE_JIT or _UNKNOWN. Takes effect with unwind_space__publish.
 * Returns whether addresses that meant something else have a new meaning. */
bool unwind_space__map(struct unwind_space *space, uint64_t start, uint64_t end, uint64_t vaddr,
		       uint32_t module);
/* Nothing is mapped any more. Likewise. */
void unwind_space__unmap_all(struct unwind_space *space);
/* Everything `from` has mapped is mapped here and nothing else. Likewise. */
void unwind_space__copy(struct unwind_space *space, const struct unwind_space *from);
void unwind_space__publish(struct unwind_space *space);

/*
 * Stacks are known by their addresses, in an epoch of what addresses mean. The kernel's programs
 * begin one at exec; unwind_space__begin_epoch does where code was replaced by other code. Until
 * the views are of the same epoch (unwind_space__set_epoch, with what unwind_space__epoch returned
 * before they were written), the kernel's walker does not use them.
 */
uint32_t unwind_space__epoch(const struct unwind_space *space);
void unwind_space__set_epoch(struct unwind_space *space, uint32_t epoch);
void unwind_space__begin_epoch(struct unwind_space *space);

#endif /* UNWIND_SPACE_H */
