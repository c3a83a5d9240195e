/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Failure injection: allocations that fail because HEAPTAP_FAIL or MALLOCFAIL_* say so. Works with
 * a recording and without one.
 *
 * Never made to fail: what the dynamic loader allocates, what registers something for the end of
 * the program or a thread, what begins a thread, what this library does itself, and calls of
 * signal handlers that have interrupted it.
 */
#ifndef PRELOAD_FAIL_H
#define PRELOAD_FAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "guard.h"
#include "hook_list.h"
#include "unwind.h"

/* Bytes it is to be given at least. */
#define FAIL_MEMORY (60u << 10)

/* Zeroed memory of FAIL_MEMORY bytes or more. The config must stay. allocator: an address in the
 * module that has the real malloc. */
void fail__init(const struct config *config, void *memory, uint32_t bytes, uintptr_t allocator);

/* Read by hooks before they call anything here. */
extern bool fail_is_on;

/*
 * Is this call, which guard__enter has let in, to fail? Then everything has been said about it
 * already, but in the recording.
 */
bool fail__wants_slowly(const struct guard_call *call, enum hook hook,
			const struct unwind_from *from, uint64_t bytes);
static inline bool fail__wants(const struct guard_call *call, enum hook hook,
			       const struct unwind_from *from, uint64_t bytes)
{
	return fail_is_on && fail__wants_slowly(call, hook, from, bytes);
}

/* A C++ operator of this thread is to fail, as only it can: by the first allocation inside it. */
void fail__begin_inner(void);
/* False: no allocation was inside it. */
bool fail__end_inner(void);
bool fail__takes_inner_slowly(void);
/* Is an allocation inside a real function that one? errno is ENOMEM then. */
static inline bool fail__takes_inner(void)
{
	return fail_is_on && fail__takes_inner_slowly();
}

/* What this thread allocates until the end is not to fail; they may nest. */
void fail__begin_spared(void);
void fail__end_spared(void);

/* Code may have been unloaded. */
void fail__unloaded(void);
/* In a forked child: it counts anew. */
void fail__forked(void);

#endif /* PRELOAD_FAIL_H */
