/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does a process use an allocator that is not watched? Told from what does not fit together. A
 * wrong alarm is worse than none: each rule asks for much, and says nothing where events were lost
 * or only some allocations were recorded.
 */
#ifndef SELFCHECK_H
#define SELFCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model;
struct module;
struct process;

struct selfcheck {
	bool suspicious;	/* one of the following is not 0 */
	uint64_t unknown_frees; /* frees of blocks nobody allocated, of a process watched as a whole
				 */
	uint64_t unexplained_bytes;  /* of memory that no watched function allocated */
	uint64_t replaced_blocks;    /* blocks that were given out again and never freed */
	const struct module *module; /* where the allocator may be; NULL: no idea */
};

/* Of a process as it is, or was at its end. */
struct selfcheck selfcheck__run(const struct model *model, const struct process *process);

#endif /* SELFCHECK_H */
