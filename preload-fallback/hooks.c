// SPDX-License-Identifier: BSD-2-Clause
/*
 * The functions the program calls instead of its allocator's, one a row of alloc_api.h. Each notes
 * where it was called from, which only it can, and leaves the rest to the function of its shape.
 *
 * An allocation is recorded after the real call and a free before it, so that the order of records
 * is the order of the heap when another thread gets the same address at once.
 *
 * No header that declares malloc is included: the hooks have the names by asm labels, and take
 * three words whatever the function takes (real.h).
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "fail.h"
#include "process.h"
#include "real.h"
#include "wire.h"

#define EXPORT __attribute__((visibility("default"), noinline))

/* Is this a call to record, or to fail? */
static inline bool enter(struct guard_call *call, uintptr_t cfa)
{
	return process__hooks() && guard__enter(call, cfa);
}

/* count * size as it is reported: what overflows was not allocated. */
static uint64_t product(uintptr_t count, uintptr_t size)
{
	return size && count > UINT64_MAX / size ? UINT64_MAX : (uint64_t)count * size;
}

/* Inside of an operator that is to fail, and which may call another operator first. */
static inline bool fails_inside(enum hook hook)
{
	return (unsigned)hook < FIRST_CXX_HOOK && fail__takes_inner();
}

/*
 * A call that is made to fail. C++ operators have to do it themselves, with all that belongs to it:
 * their handler, their exception, which passes through here. Where the handler has found memory,
 * they have not failed after all.
 */
static void *fail_block(struct guard_call *call, enum hook hook, uint16_t func,
			const struct unwind_from *from, uint64_t requested, uintptr_t a,
			uintptr_t b, uintptr_t c)
{
	void *block = NULL;

	event__allocated(call, from, func, WIRE_ALLOC_INJECTED, NULL, requested);
	if ((unsigned)hook >= FIRST_CXX_HOOK) {
		fail__begin_inner();
		guard__set_phase(GUARD_REAL);
		block = real__block(hook, a, b, c);
		guard__set_phase(GUARD_RECORDING);
		fail__end_inner();
	}
	if (block)
		event__allocated(call, from, func, 0, block, requested);
	guard__leave(call);
	if (!block)
		errno = ENOMEM;
	return block;
}

static void *get_block(enum hook hook, uint16_t func, const struct unwind_from *from,
		       uint64_t requested, uintptr_t a, uintptr_t b, uintptr_t c)
{
	struct guard_call call;
	void *block;

	if (!enter(&call, from->sp))
		return fails_inside(hook) ? NULL : real__block(hook, a, b, c);
	if (fail__wants(&call, hook, from, requested))
		return fail_block(&call, hook, func, from, requested, a, b, c);
	guard__set_phase(GUARD_REAL);
	block = real__block(hook, a, b, c);
	guard__set_phase(GUARD_RECORDING);
	event__allocated(&call, from, func, 0, block, requested);
	guard__leave(&call);
	return block;
}

static int place_block(enum hook hook, uint16_t func, const struct unwind_from *from, void **out,
		       uintptr_t align, uintptr_t bytes)
{
	struct guard_call call;
	int err, saved = errno;

	if (!enter(&call, from->sp)) {
		err = fails_inside(hook) ? ENOMEM : real__placed(hook, out, align, bytes);
		errno = saved;
		return err;
	}
	if (fail__wants(&call, hook, from, bytes)) {
		fail_block(&call, hook, func, from, bytes, 0, 0, 0);
		errno = saved;
		return ENOMEM;
	}
	guard__set_phase(GUARD_REAL);
	err = real__placed(hook, out, align, bytes);
	guard__set_phase(GUARD_RECORDING);
	event__allocated(&call, from, func, 0, err ? NULL : *out, bytes);
	guard__leave(&call);
	return err;
}

/* A realloc of nothing is an allocation. */
static void *resize_block(enum hook hook, uint16_t func, const struct unwind_from *from,
			  uint64_t requested, void *old, uintptr_t b, uintptr_t c)
{
	struct guard_call call;
	void *block;

	if (!enter(&call, from->sp))
		return fails_inside(hook) ? NULL : real__resized(hook, old, b, c);
	/* realloc(p, 0) frees. */
	if ((!old || requested) && fail__wants(&call, hook, from, requested))
		return fail_block(&call, hook, func, from, requested, 0, 0, 0);
	if (old)
		event__freed(&call, func, WIRE_FREE_REALLOC, old);
	guard__set_phase(GUARD_REAL);
	block = real__resized(hook, old, b, c);
	guard__set_phase(GUARD_RECORDING);
	event__allocated(&call, from, func, old ? WIRE_ALLOC_REALLOC : 0, block, requested);
	guard__leave(&call);
	return block;
}

static void free_block(enum hook hook, uint16_t func, uintptr_t cfa, void *block, uintptr_t b,
		       uintptr_t c)
{
	struct guard_call call;

	if (!block)
		return;
	if (!enter(&call, cfa)) {
		real__freed(hook, block, b, c);
		return;
	}
	event__freed(&call, func, 0, block);
	guard__set_phase(GUARD_REAL);
	real__freed(hook, block, b, c);
	guard__leave(&call);
}

/* clang-format off */
#define HOOK_SIZE(number, symbol, result)						\
	EXPORT void *hook_##symbol(uintptr_t a, uintptr_t b, uintptr_t c)		\
	{										\
		struct unwind_from from;						\
											\
		UNWIND_CAPTURE(&from);							\
		return get_block(HOOK_##symbol, number, &from, result, a, b, c);	\
	}
#define HOOK_RESIZE(number, symbol, result)						\
	EXPORT void *hook_##symbol(void *old, uintptr_t b, uintptr_t c)			\
	{										\
		struct unwind_from from;						\
											\
		UNWIND_CAPTURE(&from);							\
		return resize_block(HOOK_##symbol, number, &from, result, old, b, c);	\
	}

/* One a shape of alloc_api.h. */
#define DEFINE_SIZE(number, symbol)	      HOOK_SIZE(number, symbol, a)
#define DEFINE_COUNT_SIZE(number, symbol)     HOOK_SIZE(number, symbol, product(a, b))
#define DEFINE_ALIGN_SIZE(number, symbol)     HOOK_SIZE(number, symbol, b)
#define DEFINE_PTR_SIZE(number, symbol)	      HOOK_RESIZE(number, symbol, b)
#define DEFINE_PTR_COUNT_SIZE(number, symbol) HOOK_RESIZE(number, symbol, product(b, c))
#define DEFINE_OUT_ALIGN_SIZE(number, symbol)						\
	EXPORT int hook_##symbol(void **out, uintptr_t align, uintptr_t bytes)		\
	{										\
		struct unwind_from from;						\
											\
		UNWIND_CAPTURE(&from);							\
		return place_block(HOOK_##symbol, number, &from, out, align, bytes);	\
	}
#define DEFINE_PTR(number, symbol)							\
	EXPORT void hook_##symbol(void *block, uintptr_t b, uintptr_t c)		\
	{										\
		free_block(HOOK_##symbol, number, (uintptr_t)__builtin_dwarf_cfa(), block, b, c);	\
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
	DEFINE_##shape(number, symbol)

HOOKS(HOOK_DEFINE)
