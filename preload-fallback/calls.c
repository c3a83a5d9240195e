// SPDX-License-Identifier: BSD-2-Clause
/*
 * An allocation is recorded after the real call and a free before it, so that the order of records
 * is the order of the heap when another thread gets the same address at once.
 */
#include "calls.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "event.h"
#include "fail.h"
#include "live_set.h"
#include "lookup.h"
#include "pass.h"
#include "process.h"
#include "real.h"
#include "recorder.h"
#include "sample.h"
#include "wire.h"

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

/* Of an operator new, by its place among them in alloc_api.h; and where its operator delete is. */
#define KIND_ARRAY   1u
#define KIND_NOTHROW 2u
#define KIND_ALIGNED 4u
_Static_assert((unsigned)HOOK__ZdaPv == FIRST_CXX_HOOK + 9, "delete[]");
_Static_assert((unsigned)HOOK__ZdaPvSt11align_val_t == FIRST_CXX_HOOK + 15, "delete[], aligned");

/*
 * An operator new that asks no malloc, as those of jemalloc and AddressSanitizer, has given a block
 * all the same: it goes back, and what the operator would do without is done for it. Returns the
 * block where there is nobody to throw an exception.
 */
static __attribute__((cold)) void *take_back(enum hook hook, void *block, uintptr_t align)
{
	unsigned kind = (unsigned)hook - FIRST_CXX_HOOK;
	void (*give_up)(void) = NULL;

	if (!(kind & KIND_NOTHROW)) {
		give_up = (void (*)(void))lookup__function("_ZSt17__throw_bad_allocv");
		if (!give_up)
			return block;
	}
	real__freed(
		(enum hook)(FIRST_CXX_HOOK + (kind & KIND_ALIGNED ? 14 : 8) + (kind & KIND_ARRAY)),
		block, align, 0);
	if (give_up)
		give_up();
	return NULL;
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
		if (!fail__end_inner() && block)
			block = take_back(hook, block, b);
		guard__set_phase(GUARD_RECORDING);
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

/* As the wire calls them. */
#define HOOK_NUMBER(number, family, symbol, shape) number,
static const uint16_t numbers[] = { HOOKS(HOOK_NUMBER) };
#undef HOOK_NUMBER

/* ---- the long way ------------------------------------------------------------------------------
 */

/* clang-format off */
#define SLOW_BLOCK(shape, requested)							\
	PASS_SLOW void *slow_##shape(uintptr_t a, uintptr_t b, uintptr_t c, enum hook hook) \
	{										\
		struct unwind_from from;						\
											\
		UNWIND_CAPTURE(&from);							\
		return get_block(hook, numbers[hook], &from, requested, a, b, c);	\
	}
#define SLOW_RESIZE(shape, requested)							\
	PASS_SLOW void *slow_##shape(void *old, uintptr_t b, uintptr_t c, enum hook hook) \
	{										\
		struct unwind_from from;						\
											\
		UNWIND_CAPTURE(&from);							\
		return resize_block(hook, numbers[hook], &from, requested, old, b, c);	\
	}
/* clang-format on */

SLOW_BLOCK(SIZE, a)
SLOW_BLOCK(COUNT_SIZE, pass__product(a, b))
SLOW_BLOCK(ALIGN_SIZE, b)
SLOW_RESIZE(PTR_SIZE, b)
SLOW_RESIZE(PTR_COUNT_SIZE, pass__product(b, c))

PASS_SLOW int slow_OUT_ALIGN_SIZE(void **out, uintptr_t align, uintptr_t bytes, enum hook hook)
{
	struct unwind_from from;

	UNWIND_CAPTURE(&from);
	return place_block(hook, numbers[hook], &from, out, align, bytes);
}

PASS_SLOW void slow_PTR(void *block, uintptr_t b, uintptr_t c, enum hook hook)
{
	free_block(hook, numbers[hook], (uintptr_t)__builtin_dwarf_cfa(), block, b, c);
}

/* ---- the short way -----------------------------------------------------------------------------
 */

PASS_SLOW void *quick_SIZE(uintptr_t a, uintptr_t b, uintptr_t c, enum hook hook)
{
	return pass__block(hook, a, slow_SIZE, a, b, c);
}

PASS_SLOW void *quick_COUNT_SIZE(uintptr_t a, uintptr_t b, uintptr_t c, enum hook hook)
{
	return pass__block(hook, pass__product(a, b), slow_COUNT_SIZE, a, b, c);
}

PASS_SLOW void *quick_ALIGN_SIZE(uintptr_t a, uintptr_t b, uintptr_t c, enum hook hook)
{
	return pass__block(hook, b, slow_ALIGN_SIZE, a, b, c);
}

PASS_SLOW void *quick_PTR_SIZE(void *old, uintptr_t b, uintptr_t c, enum hook hook)
{
	return pass__resize(hook, b, slow_PTR_SIZE, old, b, c);
}

PASS_SLOW void *quick_PTR_COUNT_SIZE(void *old, uintptr_t b, uintptr_t c, enum hook hook)
{
	return pass__resize(hook, pass__product(b, c), slow_PTR_COUNT_SIZE, old, b, c);
}

PASS_SLOW int quick_OUT_ALIGN_SIZE(void **out, uintptr_t align, uintptr_t bytes, enum hook hook)
{
	return pass__place(hook, slow_OUT_ALIGN_SIZE, out, align, bytes);
}

PASS_SLOW void quick_PTR(void *block, uintptr_t b, uintptr_t c, enum hook hook)
{
	pass__free(hook, slow_PTR, block, b, c);
}
