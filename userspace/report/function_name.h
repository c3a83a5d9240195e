/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of allocators as people call them; heap/functions.h has their symbols. */
#ifndef FUNCTION_NAME_H
#define FUNCTION_NAME_H

#include <stdint.h>

struct functions;

/*
 * "malloc", "operator new[]", "pool::get(int)": without arguments where the operators of C++ differ
 * in nothing else. NULL for an unknown number. The caller frees it.
 */
char *function_name__make(const struct functions *functions, uint16_t number);

#endif /* FUNCTION_NAME_H */
