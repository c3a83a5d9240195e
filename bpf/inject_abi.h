/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the loader tells the programs of calls that are to fail (inject.h). A call that fails is asked for
 * INJECT_BYTES instead of what it was asked for, and the function itself does the rest.
 */
#ifndef INJECT_ABI_H
#define INJECT_ABI_H

#include "wire.h" /* the fixed-width types */

/*
 * Half the address space: no allocator has it, and none comes round to small numbers when it adds a
 * header or rounds up. The largest number of all would.
 */
#define INJECT_BYTES 0x8000000000000000ull
/*
 * Of an allocator that refuses that without setting errno: one that it asks the kernel for, in vain, and
 * then errno is the kernel's.
 */
#define INJECT_BYTES_OF_KERNEL 0x4000000000000000ull

/* Which calls fail: those for which all of this is true. */
struct inject_rules {
	uint64_t min_bytes, max_bytes; /* asked for; calls for nothing never fail */
	uint64_t nth;	/* only the nth that the other filters let pass, from 1; 0: any of them */
	uint64_t count; /* so many at most, of all threads together; 0: no limit */
	uint64_t rate;	/* of 2^32: how many of those that could */
	uint64_t seed;	/* which */
	uint32_t paths; /* each call path once */
	uint32_t only;	/* a frame must be in a range marked INJECT_ONLY */
};
#define INJECT_ALWAYS (1ull << 32) /* as a rate */

/* Code by which a call is judged when it is on the stack. Ranges are sorted and do not overlap. */
struct inject_range {
	uint64_t start, end;
	uint32_t marks; /* INJECT_* */
	uint32_t pad;
};
#define INJECT_ONLY 1u
#define INJECT_NEVER 2u
/* Without unwind tables, and what starts programs and threads: a stack that cannot be followed beyond is
 * taken for a whole one. */
#define INJECT_ENDS 4u

/* Of a view; there are two, one of which is being read. A power of two. The first range begins at 0 and
 * has no marks, and so have those that are not used, but that they begin above all code. */
#define INJECT_MAX_RANGES 1024

#endif /* INJECT_ABI_H */
