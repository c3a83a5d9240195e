/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which functions may free what which functions allocated. A wrong alarm is worse than none:
 *
 * - Functions of one family go together, but for operators new, which want delete, and new[], which
 *   want delete[]; sized, aligned and nothrow forms are all the same.
 * - The C libraries' malloc and free, and those of an allocator nobody knows, go together.
 * - A mapping wants munmap. What the user named may lie in one.
 * - Programs replace some operators, and allocators have one function for several names. So a block
 *   is only said to be freed wrongly where the right function was seen to be called, too.
 */
#ifndef PAIRING_H
#define PAIRING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "heap/functions.h"

/* Functions that a process was seen to call. Zero-initialise. */
struct pairing_seen {
	uint64_t first[16]; /* a bit for each number below 1024 */
	struct hmap rest;
};

bool pairing__has_seen(const struct pairing_seen *seen, uint16_t func);
void pairing__see(struct pairing_seen *seen, uint16_t func);
void pairing__copy_seen(struct pairing_seen *to, const struct pairing_seen *from);
void pairing__clear_seen(struct pairing_seen *seen);

/* Is free_func, or a realloc of that number, no good for a block of alloc_func? Whatever was seen.
 * Unknown functions are good for all. */
bool pairing__differs(const struct functions *functions, uint16_t alloc_func, uint16_t free_func);

/* Of two that differ: was each seen with one that it goes with? */
bool pairing__is_sure(const struct functions *functions, const struct pairing_seen *seen,
		      uint16_t alloc_func, uint16_t free_func);

/* Is it one of those that give memory to and fro the kernel? They free what they never gave. */
bool pairing__is_mapping(const struct functions *functions, uint16_t func);

#endif /* PAIRING_H */
