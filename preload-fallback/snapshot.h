/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots: instead of a recording of all events, what is live is kept in here, and written when
 * asked for: by a signal, at the end, and when an allocation fails.
 */
#ifndef PRELOAD_SNAPSHOT_H
#define PRELOAD_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "guard.h"
#include "unwind.h"

extern bool snapshot_is_on;

/* Divides zeroed memory, aligned to 8, of 192 KB at least. recorder.pid and the catalogue of
 * modules are set up. */
void snapshot__init(void *memory, uint32_t bytes);
/* The program is about to start: its signal is watched for, unless it has a handler already. */
void snapshot__open(void);

/* As event__allocated and event__freed. */
void snapshot__allocated(const struct guard_call *call, const struct unwind_from *from,
			 uint16_t func, uint16_t flags, const void *block, uint64_t bytes);
void snapshot__freed(const struct guard_call *call, uint16_t flags, const void *block);

/* The program is about to be gone. */
void snapshot__at_end(void);
/* This thread was thrown out of a call. */
void snapshot__thrown_out(void);
/* In a forked child, which has its parent's heap. */
void snapshot__forked(void);

#endif /* PRELOAD_SNAPSHOT_H */
