/* SPDX-License-Identifier: BSD-2-Clause */
/* What the program of shape.c and its part agree on; test_shapes.py knows the numbers, too. */
#ifndef SHAPE_H
#define SHAPE_H

#include <stddef.h>

#define KEPT_HERE 10
#define HERE_BYTES 100
#define KEPT_BY_PART 5
#define PART_BYTES 200
#define CHURNED 1000

/* The same names for other functions: what replaces a program or a library on disk. */
#ifdef REPLACEMENT
#define keep_here replaced_here
#define keep_by_part replaced_by_part
#endif

void *keep_by_part(size_t bytes);

#endif /* SHAPE_H */
