/* SPDX-License-Identifier: BSD-2-Clause */
/* For workloads: functions of other C libraries that uClibc-ng lacks, by those it has, with the same
 * number of calls and bytes. */
#ifndef UCLIBC_H
#define UCLIBC_H

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

static inline void *uclibc_reallocarray(void *old, size_t count, size_t size)
{
	size_t bytes;

	return realloc(old, __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX / 2 : bytes);
}

#define reallocarray(old, count, size) uclibc_reallocarray(old, count, size)
#define valloc(bytes)		       memalign(4096, bytes)
#define pvalloc(bytes)		       memalign(4096, bytes)

#endif /* UCLIBC_H */
