/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way through a hook: of a call that is no sample, and of all as long as there is no
 * sampling, it is the question alone, and a jump to one function or another. Nothing here takes a
 * frame of its own unless it must, takes a lock, looks at a clock or at the guard.
 *
 * What is behind a hook may call another, as new calls malloc and calloc in some C libraries does:
 * the bytes would count twice. So a hook but malloc, which is behind all, lets the thread count
 * from the beginning for the time of its call, and takes its own bytes from what there was when it
 * returns. It may never return, left by a jump or an exception: then the thread goes on from there,
 * and what is always recorded is so still.
 */
#ifndef PRELOAD_PASS_H
#define PRELOAD_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "calls.h"
#include "live_set.h"
#include "real.h"
#include "sample.h"

#define PASS_INLINE static inline __attribute__((always_inline))
#define LIKELY(x)   __builtin_expect(!!(x), 1)

/* count * size as it is reported: what overflows was not allocated. */
PASS_INLINE uint64_t pass__product(uintptr_t count, uintptr_t size)
{
	/* Dividing takes longer than malloc. */
	if (LIKELY((count | size) <= UINT32_MAX))
		return (uint64_t)count * size;
	return size && count > UINT64_MAX / size ? UINT64_MAX : (uint64_t)count * size;
}

PASS_INLINE void *pass__block(enum hook hook, uint64_t bytes, slow_block_fn *slow, uintptr_t a,
			      uintptr_t b, uintptr_t c)
{
	block_fn real = (block_fn)real_functions[hook];
	uint32_t left = sample_thread.left;
	void *block;

	if (hook == HOOK_malloc) {
		if (!LIKELY(bytes < left))
			return slow(a, b, c, hook);
		sample_thread.left = left - (uint32_t)bytes;
		return real(a, b, c);
	}
	if (!LIKELY(bytes < left && real))
		return slow(a, b, c, hook);
	sample_thread.left = sample_every_bytes;
	block = real(a, b, c);
	sample_thread.left = left - (uint32_t)bytes;
	return block;
}

PASS_INLINE int pass__place(enum hook hook, slow_place_fn *slow, void **out, uintptr_t align,
			    uintptr_t bytes)
{
	place_fn real = (place_fn)real_functions[hook];
	uint32_t left = sample_thread.left;
	int err;

	if (!LIKELY(bytes < left && real))
		return slow(out, align, bytes, hook);
	sample_thread.left = sample_every_bytes;
	err = real(out, align, bytes);
	sample_thread.left = left - (uint32_t)bytes;
	return err;
}

PASS_INLINE void *pass__resize(enum hook hook, uint64_t bytes, slow_resize_fn *slow, void *old,
			       uintptr_t b, uintptr_t c)
{
	resize_fn real = (resize_fn)real_functions[hook];
	uint32_t left = sample_thread.left;
	void *block;

	if (!LIKELY(bytes < left && real) || live_set__may_have(old))
		return slow(old, b, c, hook);
	sample_thread.left = sample_every_bytes;
	block = real(old, b, c);
	sample_thread.left = left - (uint32_t)bytes;
	return block;
}

PASS_INLINE void pass__free(enum hook hook, slow_free_fn *slow, void *block, uintptr_t b,
			    uintptr_t c)
{
	free_fn real = (free_fn)real_functions[hook];

	if (!LIKELY(!live_set__may_have(block)) || (hook != HOOK_free && !real))
		slow(block, b, c, hook);
	else
		real(block, b, c);
}

#endif /* PRELOAD_PASS_H */
