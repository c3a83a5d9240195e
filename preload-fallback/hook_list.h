/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions this library stands in front of: rows of alloc_api.h, for this C library and this
 * machine's size_t. */
#ifndef PRELOAD_HOOK_LIST_H
#define PRELOAD_HOOK_LIST_H

#include <limits.h>

#include "alloc_api.h"

/* uClibc says that it is glibc, too. */
#if defined(__UCLIBC__)
#define HOOK_C_NAMES(HOOK) ALLOC_C_NAMES(HOOK, 64, OTHER)
#elif defined(__GLIBC__)
#define HOOK_C_NAMES(HOOK) ALLOC_GLIBC(HOOK)
#else
#define HOOK_C_NAMES(HOOK) ALLOC_C_NAMES(HOOK, 32, MUSL)
#endif

#if __SIZEOF_SIZE_T__ == 4
#define HOOK_CXX_NAMES(HOOK) ALLOC_CXX_NAMES_OF(HOOK, 96, CXX, j)
#define HOOK_NEW	     HOOK__Znwj
#define HOOK_NEW_ARRAY	     HOOK__Znaj
#define HOOK_DELETE_SIZED    HOOK__ZdlPvj
#else
#define HOOK_CXX_NAMES(HOOK) ALLOC_CXX_NAMES_OF(HOOK, 96, CXX, m)
#define HOOK_NEW	     HOOK__Znwm
#define HOOK_NEW_ARRAY	     HOOK__Znam
#define HOOK_DELETE_SIZED    HOOK__ZdlPvm
#endif

#define HOOKS(HOOK)        \
	HOOK_C_NAMES(HOOK) \
	HOOK_CXX_NAMES(HOOK)

#define HOOK_INDEX(number, family, symbol, shape)   HOOK_##symbol,
#define HOOK_C_INDEX(number, family, symbol, shape) HOOK_C_##symbol,
enum hook { HOOKS(HOOK_INDEX) NR_HOOKS };
enum { HOOK_C_NAMES(HOOK_C_INDEX) FIRST_CXX_HOOK };
#undef HOOK_INDEX
#undef HOOK_C_INDEX

#endif /* PRELOAD_HOOK_LIST_H */
