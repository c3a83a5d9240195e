// SPDX-License-Identifier: BSD-2-Clause
/*
 * Functions that register something for the end of the program or of a thread: what they allocate
 * never fails. Nobody looks at what they return, and a stack does not always show them.
 */
#include <stdint.h>

#include "fail.h"
#include "lookup.h"

/* Whatever they take, it is three words at most. */
typedef int (*register_fn)(uintptr_t a, uintptr_t b, uintptr_t c);

static int spare(register_fn *real, const char *name, uintptr_t a, uintptr_t b, uintptr_t c)
{
	int result;

	if (!*real)
		*real = (register_fn)lookup__function(name);
	if (!*real)
		return -1;
	fail__begin_spared();
	result = (*real)(a, b, c);
	fail__end_spared();
	return result;
}

#define SPARED(name)                                                                          \
	__attribute__((visibility("default"))) int spared_##name(uintptr_t a, uintptr_t b,    \
								 uintptr_t c) __asm__(#name); \
	int spared_##name(uintptr_t a, uintptr_t b, uintptr_t c)                              \
	{                                                                                     \
		static register_fn real;                                                      \
                                                                                              \
		return spare(&real, #name, a, b, c);                                          \
	}

SPARED(__cxa_atexit)
SPARED(__cxa_at_quick_exit)
SPARED(on_exit)
