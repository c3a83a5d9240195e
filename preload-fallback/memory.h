/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Divides the memory that HEAPTAP_MEMORY allows among the parts: each function maps its share and
 * sets the parts up in it. recorder.config and recorder.pid are known. False: there is none to be
 * had.
 */
#ifndef PRELOAD_MEMORY_H
#define PRELOAD_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* What may be divided. */
uint32_t memory__bytes(void);

/* For failing allocations: a fifth of *bytes, which it then lacks. */
bool memory__for_failing(uint32_t *bytes);

/* For a recording in these bytes: ring, stream, modules, stacks, and the set of samples. */
bool memory__for_recording(uint32_t bytes);
/* The same where another process reads the ring and the catalogue of modules: those are as large as
 * it says, and the stacks may be, too. */
bool memory__for_sharing(void);

/* For snapshots, where nothing is recorded. */
bool memory__for_snapshots(uint32_t bytes);

/* Begins the set of samples, in its share of a recording's memory. */
void memory__init_live_set(void);

#endif /* PRELOAD_MEMORY_H */
