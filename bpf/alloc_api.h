/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * THE table of allocator functions: loader, preload hooks and documentation all expand it. To add a
 * family, add rows; no code. The numbers go into recordings (wire_alloc.func): append, never renumber.
 *
 * ALLOC_FN(number, family, symbol, shape)
 */
#ifndef ALLOC_API_H
#define ALLOC_API_H

#define ALLOC_API(ALLOC_FN)                                   \
	ALLOC_FN(1, GLIBC, malloc, SIZE)                      \
	ALLOC_FN(2, GLIBC, calloc, COUNT_SIZE)                \
	ALLOC_FN(3, GLIBC, realloc, PTR_SIZE)                 \
	ALLOC_FN(4, GLIBC, reallocarray, PTR_COUNT_SIZE)      \
	ALLOC_FN(5, GLIBC, free, PTR)                         \
	ALLOC_FN(6, GLIBC, posix_memalign, OUT_ALIGN_SIZE)    \
	ALLOC_FN(7, GLIBC, aligned_alloc, ALIGN_SIZE)         \
	ALLOC_FN(8, GLIBC, memalign, ALIGN_SIZE)              \
	ALLOC_FN(9, GLIBC, valloc, SIZE)                      \
	ALLOC_FN(10, GLIBC, pvalloc, SIZE)

/*
 * What a function's arguments mean, by position from 1; 0: it has no such argument.
 *
 * ALLOC_SHAPE(name, size, count, ptr, out)
 *   size   bytes requested (of one element where there is a count)
 *   count  number of elements
 *   ptr    the block given back: freed, or resized
 *   out    where the new block's address is stored; otherwise it is returned. A function with `out`
 *          returns 0 on success, an errno value on failure (POSIX posix_memalign).
 */
#define ALLOC_SHAPES(ALLOC_SHAPE)                \
	ALLOC_SHAPE(SIZE, 1, 0, 0, 0)            \
	ALLOC_SHAPE(COUNT_SIZE, 2, 1, 0, 0)      \
	ALLOC_SHAPE(PTR_SIZE, 2, 0, 1, 0)        \
	ALLOC_SHAPE(PTR_COUNT_SIZE, 3, 2, 1, 0)  \
	ALLOC_SHAPE(ALIGN_SIZE, 2, 0, 0, 0)      \
	ALLOC_SHAPE(OUT_ALIGN_SIZE, 3, 0, 0, 1)  \
	ALLOC_SHAPE(PTR, 0, 0, 1, 0)

#endif /* ALLOC_API_H */
