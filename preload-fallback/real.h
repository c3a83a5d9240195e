/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real functions behind the hooks. What the program's allocator does not have is made of what
 * every one has; before it is known, memory comes from the boot arena, and what came from there is
 * told apart for ever.
 *
 * All functions are called with three words, for a hook does not know how many its caller gave:
 * what a function does not take it does not look at.
 */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hook_list.h"

/* Looks all of them up. Once, before any other function here is called. */
void real__find(void);
/* Each by its number; NULL: not known yet, or there is none. For hooks that have nothing to do but
 * to call it, with a block that is not of the boot arena: live_set__may_have is true of those. */
extern void *real_functions[NR_HOOKS] __attribute__((visibility("hidden")));

typedef void *(*block_fn)(uintptr_t a, uintptr_t b, uintptr_t c);
typedef void *(*resize_fn)(void *old, uintptr_t b, uintptr_t c);
typedef int (*place_fn)(void **out, uintptr_t align, uintptr_t bytes);
typedef void (*free_fn)(void *block, uintptr_t b, uintptr_t c);

/* Are those known that every program has? */
bool real__is_complete(void);
/* Where the real malloc is. */
uintptr_t real__address(void);

/* As the symbol is called. */
const char *real__name(enum hook hook);

/* NULL: there is none, or it is not known yet. */
void *real__function(enum hook hook);
/* What a function that there is not would return. */
void *real__make(enum hook hook, uintptr_t a, uintptr_t b);
/* Those that return a block: the arguments are those of the hook. Here, for what C++ operators throw
 * passes through it. */
static inline void *real__block(enum hook hook, uintptr_t a, uintptr_t b, uintptr_t c)
{
	block_fn allocate = (block_fn)real__function(hook);

	return allocate ? allocate(a, b, c) : real__make(hook, a, b);
}
/* realloc, reallocarray. */
void *real__resized(enum hook hook, void *old, uintptr_t b, uintptr_t c);
/* posix_memalign. */
int real__placed(enum hook hook, void **out, uintptr_t align, uintptr_t bytes);
/* Those that free. */
void real__freed(enum hook hook, void *block, uintptr_t b, uintptr_t c);

#endif /* PRELOAD_REAL_H */
