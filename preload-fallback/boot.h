/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot arena: what is asked for before the real allocator is known comes from here. It is
 * small, static, and never given back. Any thread may call. */
#ifndef PRELOAD_BOOT_H
#define PRELOAD_BOOT_H

#include <stdbool.h>
#include <stddef.h>

#define BOOT_BYTES 16384u

/* Zeroed memory aligned to align, a power of two (0: as malloc does); NULL: no room. */
void *boot__alloc(size_t align, size_t bytes);
bool boot__owns(const void *block);
/* Bytes that may be read from a block of the arena: at least those it was asked for with. */
size_t boot__readable(const void *block);

/* The address behind this one (NULL: the first) at which a block of the arena may begin; NULL: none
 * has been given that far. */
const void *boot__next(const void *block);

#endif /* PRELOAD_BOOT_H */
