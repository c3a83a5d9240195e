// SPDX-License-Identifier: BSD-2-Clause
/*
 * As walker.c, with the preload library's own unwinder (preload-fallback/unwind_mips.c) in place of
 * a bare mips-unwind: what the oracle says of it holds for the library.
 *
 * Built with -DMIPS_UNWIND_SELF -ffixed-30 -fPIC -shared, with the library's unwind_auxv.c,
 * unwind_mips.c, unwind_module.c, unwind_stack.c, and mips-unwind/.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "handover.h"
#include "unwind.h"

#define HOOK   __attribute__((visibility("default"), noinline))
#define THREAD __thread __attribute__((tls_model("initial-exec")))

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t nr, size_t size);
extern void *__libc_realloc(void *block, size_t size);

static THREAD bool busy;

static __attribute__((noinline)) void walk(const struct unwind_from *from)
{
	static THREAD uintptr_t frames[WIRE_MAX_FRAMES];
	static THREAD uint32_t serial; /* of these */
	static bool ready; /* the first allocation is the loader's, in its only thread */
	struct unwind_note note = { .serial = serial, .alone = true };
	unsigned long flags = 0;
	unsigned nr;

	if (busy)
		return;
	busy = true;
	if (!ready)
		ready = unwinder_mips.usable();
	handover__begin();
	nr = unwinder_mips.walk(from, frames, WIRE_MAX_FRAMES, &note);
	serial = note.serial;
	if (note.flags & WIRE_STACK_CUT)
		flags = nr == WIRE_MAX_FRAMES ? HANDOVER_CUT : HANDOVER_LOST;
	handover__frames((const unsigned long *)frames, nr, from->sp, flags);
	busy = false;
}

HOOK void *malloc(size_t size)
{
	struct unwind_from from;

	UNWIND_CAPTURE(&from);
	walk(&from);
	return __libc_malloc(size);
}

HOOK void *calloc(size_t nr, size_t size)
{
	struct unwind_from from;

	UNWIND_CAPTURE(&from);
	walk(&from);
	return __libc_calloc(nr, size);
}

HOOK void *realloc(void *block, size_t size)
{
	struct unwind_from from;

	UNWIND_CAPTURE(&from);
	walk(&from);
	return __libc_realloc(block, size);
}
