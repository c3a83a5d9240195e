/* SPDX-License-Identifier: BSD-2-Clause */
/* Events on their way into the ring, where there is one: what a hook calls, between guard__enter and
 * guard__leave. */
#ifndef PRELOAD_EVENT_H
#define PRELOAD_EVENT_H

#include <stdint.h>

#include "guard.h"
#include "unwind.h"

/* An allocation function has returned. flags: WIRE_ALLOC_*. weight: wire_alloc.weight. */
void event__allocated(const struct guard_call *call, const struct unwind_from *from, uint16_t func,
		      uint16_t flags, const void *block, uint64_t bytes, uint32_t weight);

/* A realloc of a block that is recorded has returned one that is not, or (bytes other than 0) has
 * failed. */
void event__ended(const struct guard_call *call, uint16_t func, uint64_t bytes);

/* A free is about to happen. flags: WIRE_FREE_*. */
void event__freed(const struct guard_call *call, uint16_t func, uint16_t flags, const void *block);

/* Code may have been unloaded. */
void event__unloaded(void);

#endif /* PRELOAD_EVENT_H */
