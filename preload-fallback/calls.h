/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hooks of one shape (alloc_api.h) have in common, the number of the hook in hand. A hook
 * jumps to one of these, which then stands in its place: what was called from where is seen as the
 * hook itself would see it. So this and the hooks are compiled with -foptimize-sibling-calls, and
 * C++ exceptions pass through this file (-fexceptions).
 */
#ifndef PRELOAD_CALLS_H
#define PRELOAD_CALLS_H

#include <stdint.h>

#include "real.h"

/* A jump finds no more on the stack than the hook did, three words. */
#ifdef __i386__
#define PASS_SLOW __attribute__((regparm(3)))
#else
#define PASS_SLOW
#endif

typedef PASS_SLOW void *slow_block_fn(uintptr_t a, uintptr_t b, uintptr_t c, enum hook hook);
typedef PASS_SLOW void *slow_resize_fn(void *old, uintptr_t b, uintptr_t c, enum hook hook);
typedef PASS_SLOW int slow_place_fn(void **out, uintptr_t align, uintptr_t bytes, enum hook hook);
typedef PASS_SLOW void slow_free_fn(void *block, uintptr_t b, uintptr_t c, enum hook hook);

/* Without this, compilers for 64-bit MIPS call rather than jump. */
#pragma GCC visibility push(hidden)

/* With a look at whether there is anything to do (pass.h). */
slow_block_fn quick_SIZE, quick_COUNT_SIZE, quick_ALIGN_SIZE;
slow_resize_fn quick_PTR_SIZE, quick_PTR_COUNT_SIZE;
slow_place_fn quick_OUT_ALIGN_SIZE;
slow_free_fn quick_PTR;

/* After that look: there is. They note where the hook was called from, which only they can. */
__attribute__((noinline, cold)) slow_block_fn slow_SIZE, slow_COUNT_SIZE, slow_ALIGN_SIZE;
__attribute__((noinline, cold)) slow_resize_fn slow_PTR_SIZE, slow_PTR_COUNT_SIZE;
__attribute__((noinline, cold)) slow_place_fn slow_OUT_ALIGN_SIZE;
__attribute__((noinline, cold)) slow_free_fn slow_PTR;

#pragma GCC visibility pop

#endif /* PRELOAD_CALLS_H */
