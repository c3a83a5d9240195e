// SPDX-License-Identifier: BSD-2-Clause
#include "shadow.h"

#include <stdlib.h>

#define MAX_CALLS   (1 << 20)
#define FIRST_CALLS 256

void shadow__clear(struct shadow *shadow)
{
	shadow->nr = 0;
	shadow->nr_dropped = 0;
}

static struct shadow_call *top(const struct shadow *shadow)
{
	return shadow->nr > 0 ? &shadow->calls[shadow->nr - 1] : NULL;
}

static void push(struct shadow *shadow, const struct shadow_call *call)
{
	if (shadow->nr == shadow->capacity) {
		size_t capacity = shadow->capacity > 0 ? 2 * shadow->capacity : FIRST_CALLS;
		struct shadow_call *calls = NULL;

		if (capacity <= MAX_CALLS)
			calls = realloc(shadow->calls, capacity * sizeof(*calls));
		if (!calls) {
			shadow->nr_dropped++;
			return;
		}
		shadow->calls = calls;
		shadow->capacity = capacity;
	}
	shadow->calls[shadow->nr++] = *call;
}

/*
 * Stacks grow down and a function leaves its own frame before it returns: who calls with sp cannot
 * have been called with the same or a lower one. Below a handler this is not known, since the
 * handler may have a stack of its own.
 */
void shadow__call(struct shadow *shadow, uint64_t ret, uint64_t sp)
{
	const struct shadow_call *call = top(shadow);

	while (call && call->interrupted == 0 && call->sp <= sp) {
		shadow->nr--;
		call = top(shadow);
	}
	push(shadow, &(struct shadow_call){ .ret = ret, .sp = sp });
}

/* The innermost call that returns to pc with sp; NULL: there is none. */
static const struct shadow_call *find(const struct shadow *shadow, uint64_t pc, uint64_t sp)
{
	for (size_t i = shadow->nr; i > 0; i--)
		if (shadow->calls[i - 1].ret == pc && shadow->calls[i - 1].sp == sp)
			return &shadow->calls[i - 1];
	return NULL;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* The innermost call of a handler among the outer nr; NULL: no handler. */
static const struct shadow_call *handler_below(const struct shadow *shadow, size_t nr)
{
	while (nr > 0 && shadow->calls[nr - 1].interrupted == 0)
		nr--;
	return nr > 0 ? &shadow->calls[nr - 1] : NULL;
}

/*
 * Removes calls made with less stack than there is now. A handler may have a stack of its own,
 * above or below: it was left if the stack pointer is nearer to where it interrupted than to where
 * it was.
 */
static void unwind_to(struct shadow *shadow, uint64_t sp)
{
	const struct shadow_call *call = top(shadow);
	const struct shadow_call *handler = handler_below(shadow, shadow->nr);

	while (handler && distance(sp, handler->interrupted_sp) < distance(sp, call->sp)) {
		shadow->nr = (size_t)(handler - shadow->calls);
		call = top(shadow);
		handler = handler_below(shadow, shadow->nr);
	}
	while (call && call->interrupted == 0 && call->sp <= sp) {
		shadow->nr--;
		call = top(shadow);
	}
}

void shadow__return(struct shadow *shadow, uint64_t pc, uint64_t sp)
{
	const struct shadow_call *call = top(shadow);

	if (call && call->ret != pc)
		call = find(shadow, pc, sp);
	if (call) {
		shadow->nr = (size_t)(call - shadow->calls);
		return;
	}
	unwind_to(shadow, sp);
}

/* A function that jumps elsewhere has the stack it was called with, or less; longjmp has more. */
void shadow__jump(struct shadow *shadow, uint64_t sp)
{
	if (sp > 0)
		unwind_to(shadow, sp - 1);
}

void shadow__signal(struct shadow *shadow, uint64_t trampoline, uint64_t sp, uint64_t interrupted,
		    uint64_t interrupted_sp)
{
	const struct shadow_call *call = top(shadow);

	/* The first block of the handler may be a loop's, too. */
	if (call && call->interrupted != 0 && call->ret == trampoline && call->sp == sp)
		return;
	push(shadow, &(struct shadow_call){
			     .ret = trampoline,
			     .sp = sp,
			     .interrupted = interrupted,
			     .interrupted_sp = interrupted_sp,
		     });
}
