// SPDX-License-Identifier: BSD-2-Clause
/*
 * The functions the program calls instead of its allocator's, one a row of alloc_api.h. Each has
 * two halves. The hook itself sees whether there is nothing to do, for the call is not a sample,
 * and then it is as good as not there (pass.h). If not it jumps to the other half, which stands in
 * its place: that notes where it was called from, which only it can, and leaves the rest to the
 * function of its shape. So this file is compiled with -foptimize-sibling-calls.
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
#include "live_set.h"
#include "pass.h"
#include "process.h"
#include "real.h"
#include "recorder.h"
#include "sample.h"
#include "wire.h"

#define EXPORT __attribute__((visibility("default"), noinline))
#define SLOW   static __attribute__((noinline, cold))

/* Is this a call to record, or to fail? */
static inline bool enter(struct guard_call *call, uintptr_t cfa)
{
	return process__hooks() && guard__enter(call, cfa);
}

/* An allocation is recorded. */
static void allocated(struct guard_call *call, const struct unwind_from *from, uint16_t func,
		      uint16_t flags, const void *block, uint64_t requested, uint32_t weight)
{
	bool has_room = !block || !live_set__exists() || live_set__add(block);

	if (has_room)
		event__allocated(call, from, func, flags, block, requested, weight);
	else
		ring__count_lost(recorder.ring, 1);
	/* The old block is gone all the same. */
	if (!has_room && flags & WIRE_ALLOC_REALLOC)
		event__ended(call, func, 0);
}

/* A block is about to be resized. False: there is none, or it is not recorded. */
static bool begins_resize(struct guard_call *call, uint16_t func, const void *block)
{
	if (!block || (live_set__exists() && !live_set__begin_resize(block)))
		return false;
	event__freed(call, func, WIRE_FREE_REALLOC, block);
	return true;
}

/* The end of a call that enter has let in. Where calls are made to fail, all look closer. */
static inline void leave(struct guard_call *call)
{
	guard__leave(call);
	if (!fail_is_on)
		sample__resume(call);
}

/* Inside of an operator that is to fail, and which may call another operator first. */
static inline bool fails_inside(enum hook hook)
{
	return (unsigned)hook < FIRST_CXX_HOOK && fail__takes_inner();
}

/*
 * A call that is made to fail, which is recorded whether or not it were a sample. C++ operators
 * have to do it themselves, with all that belongs to it: their handler, their exception, which
 * passes through here. Where the handler has found memory, they have not failed after all.
 */
static __attribute__((cold)) void *fail_block(struct guard_call *call, enum hook hook,
					      uint16_t func, const struct unwind_from *from,
					      uint64_t requested, uintptr_t a, uintptr_t b,
					      uintptr_t c)
{
	void *block = NULL;
	uint32_t weight;

	event__allocated(call, from, func, WIRE_ALLOC_INJECTED, NULL, requested, 1);
	if ((unsigned)hook >= FIRST_CXX_HOOK) {
		fail__begin_inner();
		guard__set_phase(GUARD_REAL);
		block = real__block(hook, a, b, c);
		guard__set_phase(GUARD_RECORDING);
		fail__end_inner();
	}
	if (block && sample__chooses(requested, &weight))
		allocated(call, from, func, 0, block, requested, weight);
	leave(call);
	if (!block)
		errno = ENOMEM;
	return block;
}

static __attribute__((cold)) void *get_block(enum hook hook, uint16_t func,
					     const struct unwind_from *from, uint64_t requested,
					     uintptr_t a, uintptr_t b, uintptr_t c)
{
	struct guard_call call;
	uint32_t weight;
	bool chosen;
	void *block;

	if (!enter(&call, from->sp))
		return fails_inside(hook) ? NULL : real__block(hook, a, b, c);
	if (fail__wants(&call, hook, from, requested))
		return fail_block(&call, hook, func, from, requested, a, b, c);
	chosen = sample__chooses(requested, &weight);
	guard__set_phase(GUARD_REAL);
	block = real__block(hook, a, b, c);
	guard__set_phase(GUARD_RECORDING);
	if (chosen)
		allocated(&call, from, func, 0, block, requested, weight);
	leave(&call);
	return block;
}

static __attribute__((cold)) int place_block(enum hook hook, uint16_t func,
					     const struct unwind_from *from, void **out,
					     uintptr_t align, uintptr_t bytes)
{
	struct guard_call call;
	uint32_t weight;
	bool chosen;
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
	chosen = sample__chooses(bytes, &weight);
	guard__set_phase(GUARD_REAL);
	err = real__placed(hook, out, align, bytes);
	guard__set_phase(GUARD_RECORDING);
	if (chosen)
		allocated(&call, from, func, 0, err ? NULL : *out, bytes, weight);
	leave(&call);
	return err;
}

/* A realloc of nothing, or of what is no sample, is an allocation. */
static __attribute__((cold)) void *resize_block(enum hook hook, uint16_t func,
						const struct unwind_from *from, uint64_t requested,
						void *old, uintptr_t b, uintptr_t c)
{
	struct guard_call call;
	uint32_t weight;
	bool chosen, ends;
	void *block;

	if (!enter(&call, from->sp))
		return fails_inside(hook) ? NULL : real__resized(hook, old, b, c);
	/* realloc(p, 0) frees. */
	if ((!old || requested) && fail__wants(&call, hook, from, requested))
		return fail_block(&call, hook, func, from, requested, 0, 0, 0);
	chosen = sample__chooses(requested, &weight);
	ends = begins_resize(&call, func, old);
	guard__set_phase(GUARD_REAL);
	block = real__resized(hook, old, b, c);
	guard__set_phase(GUARD_RECORDING);
	if (ends)
		live_set__end_resize(old, block || !requested);
	if (chosen)
		allocated(&call, from, func, ends ? WIRE_ALLOC_REALLOC : 0, block, requested,
			  weight);
	else if (ends)
		event__ended(&call, func, block ? 0 : requested);
	leave(&call);
	return block;
}

static __attribute__((cold)) void free_block(enum hook hook, uint16_t func, uintptr_t cfa,
					     void *block, uintptr_t b, uintptr_t c)
{
	struct guard_call call;

	if (!block)
		return;
	if ((live_set__exists() && !live_set__has(block)) || !enter(&call, cfa)) {
		real__freed(hook, block, b, c);
		return;
	}
	if (!live_set__exists() || live_set__remove(block))
		event__freed(&call, func, 0, block);
	guard__set_phase(GUARD_REAL);
	real__freed(hook, block, b, c);
	guard__leave(&call);
}

/* clang-format off */
#define HOOK_SIZE(number, symbol, result)						\
	SLOW void *slow_##symbol(uintptr_t a, uintptr_t b, uintptr_t c)			\
	{										\
		struct unwind_from from;						\
											\
		UNWIND_CAPTURE(&from);							\
		return get_block(HOOK_##symbol, number, &from, result, a, b, c);	\
	}										\
	EXPORT void *hook_##symbol(uintptr_t a, uintptr_t b, uintptr_t c)		\
	{										\
		return pass__block(HOOK_##symbol, result, slow_##symbol, a, b, c);		\
	}
#define HOOK_RESIZE(number, symbol, result)						\
	SLOW void *slow_##symbol(void *old, uintptr_t b, uintptr_t c)			\
	{										\
		struct unwind_from from;						\
											\
		UNWIND_CAPTURE(&from);							\
		return resize_block(HOOK_##symbol, number, &from, result, old, b, c);	\
	}										\
	EXPORT void *hook_##symbol(void *old, uintptr_t b, uintptr_t c)			\
	{										\
		return pass__resize(HOOK_##symbol, result, slow_##symbol, old, b, c);	\
	}
#define HOOK_FREE(number, symbol)							\
	SLOW void slow_##symbol(void *block, uintptr_t b, uintptr_t c)			\
	{										\
		free_block(HOOK_##symbol, number, (uintptr_t)__builtin_dwarf_cfa(), block, b, c);	\
	}										\
	EXPORT void hook_##symbol(void *block, uintptr_t b, uintptr_t c)		\
	{										\
		pass__free(HOOK_##symbol, slow_##symbol, block, b, c);			\
	}
#define HOOK_PLACE(number, symbol)							\
	SLOW int slow_##symbol(void **out, uintptr_t align, uintptr_t bytes)		\
	{										\
		struct unwind_from from;						\
											\
		UNWIND_CAPTURE(&from);							\
		return place_block(HOOK_##symbol, number, &from, out, align, bytes);	\
	}										\
	EXPORT int hook_##symbol(void **out, uintptr_t align, uintptr_t bytes)		\
	{										\
		return pass__place(HOOK_##symbol, slow_##symbol, out, align, bytes);	\
	}

/* One a shape of alloc_api.h. */
#define DEFINE_SIZE(number, symbol)	      HOOK_SIZE(number, symbol, a)
#define DEFINE_COUNT_SIZE(number, symbol)     HOOK_SIZE(number, symbol, pass__product(a, b))
#define DEFINE_ALIGN_SIZE(number, symbol)     HOOK_SIZE(number, symbol, b)
#define DEFINE_PTR_SIZE(number, symbol)	      HOOK_RESIZE(number, symbol, b)
#define DEFINE_PTR_COUNT_SIZE(number, symbol) HOOK_RESIZE(number, symbol, pass__product(b, c))
#define DEFINE_OUT_ALIGN_SIZE(number, symbol) HOOK_PLACE(number, symbol)
#define DEFINE_PTR(number, symbol)	      HOOK_FREE(number, symbol)

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
