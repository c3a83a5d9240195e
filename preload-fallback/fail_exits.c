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

#define SPARED(name)                                                                          \
	__attribute__((visibility("default"))) int spared_##name(uintptr_t a, uintptr_t b,    \
								 uintptr_t c) __asm__(#name); \
	int spared_##name(uintptr_t a, uintptr_t b, uintptr_t c)                              \
	{                                                                                     \
		static register_fn function;                                                  \
		int result;                                                                   \
                                                                                              \
		if (!function)                                                                \
			function = (register_fn)lookup__function(#name);                      \
		if (!function)                                                                \
			return -1;                                                            \
		fail__begin_spared();                                                         \
		result = function(a, b, c);                                                   \
		fail__end_spared();                                                           \
		return result;                                                                \
	}

SPARED(__cxa_atexit)
SPARED(__cxa_at_quick_exit)
SPARED(on_exit)
