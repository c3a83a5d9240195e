/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of shape.c that may be a library. */
#include <stdlib.h>

#include "shape.h"

#ifdef REPLACEMENT
/* Moves everything: an address of the original is in the middle of something else. */
__attribute__((used)) static long in_between(long value)
{
	return value * value % 7 + value / 3;
}
#endif

__attribute__((noinline, noclone)) void *keep_by_part(size_t bytes)
{
	return malloc(bytes);
}
