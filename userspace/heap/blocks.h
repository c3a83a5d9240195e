/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of live blocks, by address. At most 64 bytes of memory a block at any moment while it
 * holds more than a few thousand, growth included: so it is many small open-addressed tables, each
 * growing on its own. Hashes by xxHash.
 */
#ifndef BLOCKS_H
#define BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap.h"

struct blocks;

struct blocks *blocks__new(void);
void blocks__free(struct blocks *blocks);
struct blocks *blocks__copy(const struct blocks *blocks);
/* Adds block. Where its address is live already, the old block goes to *replaced and true is
 * returned. */
bool blocks__add(struct blocks *blocks, const struct heap_block *block,
		 struct heap_block *replaced);
/* Takes out the block at addr into *taken; false when there is none. */
bool blocks__take(struct blocks *blocks, uint64_t addr, struct heap_block *taken);
size_t blocks__count(const struct blocks *blocks);
void blocks__for_each(const struct blocks *blocks,
		      void (*visit)(const struct heap_block *block, void *data), void *data);
size_t blocks__memory_bytes(const struct blocks *blocks);

#endif /* BLOCKS_H */
