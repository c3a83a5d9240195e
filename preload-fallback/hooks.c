// SPDX-License-Identifier: BSD-2-Clause
/*
 * The functions the program calls instead of its allocator's, one a row of alloc_api.h. A hook sees
 * whether there is nothing to do, for the call is not a sample, and then it is as good as not there
 * (pass.h). If not it jumps to what is behind all of its shape (calls.h).
 *
 * No header that declares malloc is included: the hooks have the names by asm labels, and take
 * three words whatever the function takes (real.h).
 */
#include <stdbool.h>
#include <stdint.h>

#include "calls.h"
#include "hook_list.h"
#include "pass.h"

#define EXPORT __attribute__((visibility("default"), noinline))

/* Which look by themselves; others have it done, for that is shorter. */
#ifdef __OPTIMIZE_SIZE__
static inline bool is_frequent(enum hook hook)
{
	return false;
}
#else
static inline bool is_frequent(enum hook hook)
{
	switch (hook) {
	case HOOK_malloc:
	case HOOK_free:
	case HOOK_calloc:
	case HOOK_realloc:
	case HOOK_NEW:
	case HOOK_NEW_ARRAY:
	case HOOK__ZdlPv:
	case HOOK__ZdaPv:
	case HOOK_DELETE_SIZED:
		return true;
	default:
		return false;
	}
}
#endif

/* clang-format off */
#define HOOK_BLOCK(symbol, shape, requested)						\
	EXPORT void *hook_##symbol(uintptr_t a, uintptr_t b, uintptr_t c)		\
	{										\
		if (!is_frequent(HOOK_##symbol))					\
			return quick_##shape(a, b, c, HOOK_##symbol);			\
		return pass__block(HOOK_##symbol, requested, slow_##shape, a, b, c);	\
	}
#define HOOK_RESIZE(symbol, shape, requested)						\
	EXPORT void *hook_##symbol(void *old, uintptr_t b, uintptr_t c)			\
	{										\
		if (!is_frequent(HOOK_##symbol))					\
			return quick_##shape(old, b, c, HOOK_##symbol);			\
		return pass__resize(HOOK_##symbol, requested, slow_##shape, old, b, c);	\
	}

#define DEFINE_SIZE(symbol)	      HOOK_BLOCK(symbol, SIZE, a)
#define DEFINE_COUNT_SIZE(symbol)     HOOK_BLOCK(symbol, COUNT_SIZE, pass__product(a, b))
#define DEFINE_ALIGN_SIZE(symbol)     HOOK_BLOCK(symbol, ALIGN_SIZE, b)
#define DEFINE_PTR_SIZE(symbol)	      HOOK_RESIZE(symbol, PTR_SIZE, b)
#define DEFINE_PTR_COUNT_SIZE(symbol) HOOK_RESIZE(symbol, PTR_COUNT_SIZE, pass__product(b, c))
#define DEFINE_OUT_ALIGN_SIZE(symbol)							\
	EXPORT int hook_##symbol(void **out, uintptr_t align, uintptr_t bytes)		\
	{										\
		return quick_OUT_ALIGN_SIZE(out, align, bytes, HOOK_##symbol);		\
	}
#define DEFINE_PTR(symbol)								\
	EXPORT void hook_##symbol(void *block, uintptr_t b, uintptr_t c)		\
	{										\
		if (!is_frequent(HOOK_##symbol))					\
			quick_PTR(block, b, c, HOOK_##symbol);				\
		else									\
			pass__free(HOOK_##symbol, slow_PTR, block, b, c);		\
	}

#define DECLARE_SIZE(symbol)	       void *hook_##symbol(uintptr_t, uintptr_t, uintptr_t)
#define DECLARE_COUNT_SIZE(symbol)     DECLARE_SIZE(symbol)
#define DECLARE_ALIGN_SIZE(symbol)     DECLARE_SIZE(symbol)
#define DECLARE_PTR_SIZE(symbol)       void *hook_##symbol(void *, uintptr_t, uintptr_t)
#define DECLARE_PTR_COUNT_SIZE(symbol) DECLARE_PTR_SIZE(symbol)
#define DECLARE_OUT_ALIGN_SIZE(symbol) int hook_##symbol(void **, uintptr_t, uintptr_t)
#define DECLARE_PTR(symbol)	       void hook_##symbol(void *, uintptr_t, uintptr_t)
/* clang-format on */

#define HOOK_DEFINE(number, family, symbol, shape) \
	DECLARE_##shape(symbol) __asm__(#symbol);  \
	DEFINE_##shape(symbol)

HOOKS(HOOK_DEFINE)
