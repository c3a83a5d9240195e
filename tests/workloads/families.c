// SPDX-License-Identifier: BSD-2-Clause
/*
 * Calls the functions of whatever allocators it is run or linked with, and keeps the tally. Functions
 * that are not there are left out; those of the C library, in all families, always are.
 *   families [nothing | beside]
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tally.h"

#define WEAK __attribute__((weak))

void *memalign(size_t align, size_t bytes);
/* Of some C libraries only. */
WEAK void *reallocarray(void *old, size_t count, size_t bytes);
WEAK void cfree(void *addr);
WEAK void free_sized(void *addr, size_t bytes);
WEAK void free_aligned_sized(void *addr, size_t align, size_t bytes);

#define DECLARE_PLAIN(prefix)                                            \
	WEAK void *prefix##malloc(size_t bytes);                         \
	WEAK void *prefix##calloc(size_t count, size_t bytes);           \
	WEAK void *prefix##realloc(void *old, size_t bytes);             \
	WEAK void prefix##free(void *addr);                              \
	WEAK int prefix##posix_memalign(void **out, size_t align, size_t bytes);

DECLARE_PLAIN(je_)
DECLARE_PLAIN(_rjem_)
DECLARE_PLAIN(tc_)
DECLARE_PLAIN(mi_)

#define DECLARE_X(prefix)                                                             \
	WEAK void *prefix##mallocx(size_t bytes, int flags);                          \
	WEAK void *prefix##rallocx(void *old, size_t bytes, int flags);               \
	WEAK size_t prefix##xallocx(void *old, size_t bytes, size_t extra, int flags); \
	WEAK void prefix##dallocx(void *addr, int flags);                             \
	WEAK void prefix##sdallocx(void *addr, size_t bytes, int flags);

DECLARE_X()
DECLARE_X(je_)
DECLARE_X(_rjem_)

WEAK void *tc_memalign(size_t align, size_t bytes);
WEAK void tc_free_sized(void *addr, size_t bytes);
WEAK void *tc_new(size_t bytes);
WEAK void *tc_newarray(size_t bytes);
WEAK void tc_delete(void *addr);
WEAK void tc_deletearray_sized(void *addr, size_t bytes);

typedef struct mi_heap_s mi_heap_t;
WEAK void *mi_zalloc(size_t bytes);
WEAK void *mi_malloc_small(size_t bytes);
WEAK void *mi_mallocn(size_t count, size_t bytes);
WEAK void *mi_recalloc(void *old, size_t count, size_t bytes);
WEAK void *mi_reallocf(void *old, size_t bytes);
WEAK void *mi_malloc_aligned(size_t bytes, size_t align);
WEAK void *mi_zalloc_aligned(size_t bytes, size_t align);
WEAK void *mi_aligned_alloc(size_t align, size_t bytes);
WEAK void *mi_new(size_t bytes);
WEAK void *mi_new_n(size_t count, size_t bytes);
WEAK void mi_free_size(void *addr, size_t bytes);
WEAK void mi_free_aligned(void *addr, size_t align);
WEAK mi_heap_t *mi_heap_new(void);
WEAK void *mi_heap_malloc(mi_heap_t *heap, size_t bytes);
WEAK void *mi_heap_calloc(mi_heap_t *heap, size_t count, size_t bytes);
WEAK void *mi_heap_realloc(mi_heap_t *heap, void *old, size_t bytes);
WEAK void *mi_heap_recalloc(mi_heap_t *heap, void *old, size_t count, size_t bytes);

static void *made(void *addr, size_t bytes)
{
	MUST(addr);
	tally_allocated(bytes);
	return addr;
}

static void *resized(void *addr, size_t from, size_t to)
{
	MUST(addr);
	tally_resized(from, to);
	return addr;
}

/* Blocks of 1000 and 37 bytes stay. */
#define CALL_PLAIN(prefix)                                                          \
	do {                                                                        \
		void *block, *kept;                                                 \
		if (!prefix##malloc)                                                \
			break;                                                      \
		made(prefix##malloc(1000), 1000);                                   \
		block = made(prefix##calloc(7, 11), 77);                            \
		block = resized(prefix##realloc(block, 5000), 77, 5000);            \
		block = resized(prefix##realloc(block, 50), 5000, 50);              \
		prefix##free(block);                                                \
		tally_freed(50);                                                    \
		made(prefix##realloc(NULL, 37), 37);                                \
		MUST(!prefix##malloc(SIZE_MAX / 2));                                \
		tally_failed();                                                     \
		if (!prefix##posix_memalign)                                        \
			break;                                                      \
		MUST(!prefix##posix_memalign(&kept, 256, 300));                     \
		tally_allocated(300);                                               \
		prefix##free(kept);                                                 \
		tally_freed(300);                                                   \
		prefix##free(NULL);                                                 \
	} while (0)

/* A block of 100 000 bytes is grown in place or not, as xallocx says; one of 40 stays. */
#define CALL_X(prefix)                                                               \
	do {                                                                         \
		size_t bytes = 100000, now;                                          \
		void *block;                                                         \
		if (!prefix##mallocx)                                                \
			break;                                                       \
		block = made(prefix##mallocx(bytes, 0), bytes);                      \
		now = prefix##xallocx(block, 110000, 0, 0);                          \
		if (now >= 110000) {                                                 \
			tally_resized(bytes, 110000);                                \
			bytes = 110000;                                              \
		} else {                                                             \
			tally_failed();                                              \
		}                                                                    \
		MUST(prefix##xallocx(block, (size_t)1 << 40, 0, 0) < (size_t)1 << 40); \
		tally_failed();                                                      \
		block = resized(prefix##rallocx(block, 3000, 0), bytes, 3000);       \
		prefix##sdallocx(block, 3000, 0);                                    \
		tally_freed(3000);                                                   \
		block = made(prefix##mallocx(64, 0), 64);                            \
		prefix##dallocx(block, 0);                                           \
		tally_freed(64);                                                     \
		made(prefix##mallocx(40, 0), 40);                                    \
	} while (0)

static void call_c_library(void)
{
	void *block;

	CALL_PLAIN();
	/* Large enough for a mapping of its own. */
	block = made(malloc(300000), 300000);
	free(resized(realloc(block, 900000), 300000, 900000));
	tally_freed(900000);
	free(made(memalign(64, 200), 200));
	tally_freed(200);
	made(aligned_alloc(64, 640), 640);
	if (reallocarray) {
		block = resized(reallocarray(made(malloc(3), 3), 10, 10), 3, 100);
		free(block);
		tally_freed(100);
	}
	if (free_sized) {
		free_sized(made(malloc(33), 33), 33);
		tally_freed(33);
		free_aligned_sized(made(aligned_alloc(64, 128), 128), 64, 128);
		tally_freed(128);
	}
}

static void call_tcmalloc(void)
{
	if (!tc_new)
		return;
	tc_free(made(tc_memalign(64, 500), 500));
	tally_freed(500);
	tc_delete(made(tc_new(60), 60));
	tally_freed(60);
	tc_deletearray_sized(made(tc_newarray(61), 61), 61);
	tally_freed(61);
	tc_free_sized(made(tc_malloc(62), 62), 62);
	tally_freed(62);
	made(tc_new(63), 63);
}

static void call_mimalloc(mi_heap_t *heap)
{
	void *block;

	if (!mi_zalloc)
		return;
	mi_free(made(mi_zalloc(501), 501));
	tally_freed(501);
	mi_free_size(made(mi_malloc_small(48), 48), 48);
	tally_freed(48);
	block = resized(mi_recalloc(made(mi_mallocn(3, 20), 60), 9, 20), 60, 180);
	mi_free(resized(mi_reallocf(block, 2000), 180, 2000));
	tally_freed(2000);
	mi_free_aligned(made(mi_malloc_aligned(90, 32), 90), 32);
	tally_freed(90);
	made(mi_zalloc_aligned(91, 64), 91);
	made(mi_aligned_alloc(64, 192), 192);
	mi_free(made(mi_new(92), 92));
	tally_freed(92);
	made(mi_new_n(4, 23), 92);
	block = made(mi_heap_malloc(heap, 93), 93);
	block = resized(mi_heap_realloc(heap, block, 4000), 93, 4000);
	mi_free(block);
	tally_freed(4000);
	block = made(mi_heap_calloc(heap, 5, 19), 95);
	resized(mi_heap_recalloc(heap, block, 50, 19), 95, 950);
}

/* Of both C libraries, past whatever has taken malloc's place. */
WEAK void *__libc_malloc(size_t bytes);
WEAK void __libc_free(void *addr);

static void call_beside(void)
{
	made(malloc(700), 700);
	made(__libc_malloc(701), 701);
	__libc_free(made(__libc_malloc(702), 702));
	tally_freed(702);
	free(made(malloc(703), 703));
	tally_freed(703);
}

int main(int argc, char **argv)
{
	/* A heap is a block itself, whose size is mimalloc's secret: nothing has it, too. */
	mi_heap_t *heap = mi_heap_new ? mi_heap_new() : NULL;

	if (argc == 2 && !strcmp(argv[1], "beside"))
		call_beside();
	if (argc == 1) {
		call_c_library();
		CALL_X();
		CALL_PLAIN(je_);
		CALL_X(je_);
		CALL_PLAIN(_rjem_);
		CALL_X(_rjem_);
		CALL_PLAIN(tc_);
		call_tcmalloc();
		CALL_PLAIN(mi_);
		call_mimalloc(heap);
	}
	tally_print();
	return 0;
}
