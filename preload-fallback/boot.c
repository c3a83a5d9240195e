// SPDX-License-Identifier: BSD-2-Clause
#include "boot.h"

#include <stdint.h>

#define DEFAULT_ALIGN 16u

static uint8_t arena[BOOT_BYTES] __attribute__((aligned(64)));
static uint32_t arena_used;

void *boot__alloc(size_t align, size_t bytes)
{
	uint32_t used = __atomic_load_n(&arena_used, __ATOMIC_RELAXED);
	uintptr_t start;

	if (align & (align - 1) || align > BOOT_BYTES || bytes > BOOT_BYTES)
		return NULL;
	if (align < DEFAULT_ALIGN)
		align = DEFAULT_ALIGN;
	do {
		start = (((uintptr_t)arena + used + align - 1) & ~(align - 1)) - (uintptr_t)arena;
		/* One byte at least: blocks have different addresses. */
		if (start + bytes + 1 > BOOT_BYTES)
			return NULL;
	} while (!__atomic_compare_exchange_n(&arena_used, &used, (uint32_t)(start + bytes + 1),
					      true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return arena + start;
}

bool boot__owns(const void *block)
{
	return (uintptr_t)block - (uintptr_t)arena < BOOT_BYTES;
}

size_t boot__readable(const void *block)
{
	return BOOT_BYTES - ((uintptr_t)block - (uintptr_t)arena);
}

const void *boot__next(const void *block)
{
	const uint8_t *next = block ? (const uint8_t *)block + DEFAULT_ALIGN : arena;

	return next < arena + __atomic_load_n(&arena_used, __ATOMIC_RELAXED) ? next : NULL;
}
