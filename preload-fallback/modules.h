/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The catalogue: wire_module and wire_mapping records of what is and was mapped executable, ready
 * to be sent, and sent again from the beginning to whoever has not seen them. Bounded; what does
 * not fit is not told, and its frames stay without a module.
 */
#ifndef PRELOAD_MODULES_H
#define PRELOAD_MODULES_H

#include <stdbool.h>
#include <stdint.h>

/* bytes of zeroed memory, aligned to 8. allocator: an address in the module that has the real
 * malloc. */
void modules__init(void *memory, uint32_t bytes, uint32_t pid, uintptr_t allocator);

/* Looks what is mapped now. unloaded is told of code that is gone (NULL: nobody is). Not in a
 * signal handler: it waits, for a short time, for another thread that does the same, and for the
 * loader. */
void modules__refresh(void (*unloaded)(uintptr_t start, uintptr_t end));

/* Are these return addresses all in known code? */
bool modules__know(const uintptr_t *frames, unsigned nr_frames);

/*
 * Moves whole records from the offset *at of the catalogue, up to room bytes, to `to`, and *at
 * behind them. Returns their bytes, 0 where there are no more; each reader has an *at of its own.
 */
uint32_t modules__take(uint32_t *at, void *to, uint32_t room);
/* Is there more than *at? */
bool modules__more(uint32_t at);

/* Has the records elsewhere from now on, in bytes of zeroed memory, and how much is used of it at
 * *used, stored in release order. Before the first refresh. */
void modules__share(void *records, uint32_t bytes, uint32_t *used);

/* Puts what the process is behind what is there. */
void modules__add_target(uint32_t sample_bytes);

/* In a forked child: begins anew, with nothing but what is mapped now. */
void modules__forked(uint32_t pid);

#endif /* PRELOAD_MODULES_H */
