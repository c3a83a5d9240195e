/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * THE table of allocator functions: loader, preload hooks and documentation all expand it. To add a
 * family, add rows; no code. The numbers go into recordings (wire_alloc.func): append, never renumber,
 * and stay below WIRE_FUNCTION_USER (wire.h).
 *
 * ALLOC_FN(number, family, symbol, shape)
 *
 * A symbol that several families have (malloc) is the row of the family its file is of; which that
 * is, ALLOC_MARKERS tell. Two symbols at one address are one function, and it goes by the lower number:
 * so within a family the names everybody knows come first.
 */
#ifndef ALLOC_API_H
#define ALLOC_API_H

/* What every C library and every allocator that takes its place exports. */
#define ALLOC_C_NAMES(ALLOC_FN, base, family)                           \
	ALLOC_FN((base) + 0, family, malloc, SIZE)                      \
	ALLOC_FN((base) + 1, family, calloc, COUNT_SIZE)                \
	ALLOC_FN((base) + 2, family, realloc, PTR_SIZE)                 \
	ALLOC_FN((base) + 3, family, reallocarray, PTR_COUNT_SIZE)      \
	ALLOC_FN((base) + 4, family, free, PTR)                         \
	ALLOC_FN((base) + 5, family, posix_memalign, OUT_ALIGN_SIZE)    \
	ALLOC_FN((base) + 6, family, aligned_alloc, ALIGN_SIZE)         \
	ALLOC_FN((base) + 7, family, memalign, ALIGN_SIZE)              \
	ALLOC_FN((base) + 8, family, valloc, SIZE)                      \
	ALLOC_FN((base) + 9, family, pvalloc, SIZE)                     \
	ALLOC_FN((base) + 10, family, cfree, PTR)                       \
	ALLOC_FN((base) + 11, family, free_sized, PTR)                  \
	ALLOC_FN((base) + 12, family, free_aligned_sized, PTR)

/*
 * C++ operators new and delete, and their [] forms: plain, nothrow, aligned, both, sized. z is the
 * mangled name of size_t: m (unsigned long), or j (unsigned int) as on most 32-bit machines.
 */
#define ALLOC_CXX_NAMES_OF(ALLOC_FN, base, family, z)                                   \
	ALLOC_FN((base) + 0, family, _Znw##z, SIZE)                                     \
	ALLOC_FN((base) + 1, family, _Zna##z, SIZE)                                     \
	ALLOC_FN((base) + 2, family, _Znw##z##RKSt9nothrow_t, SIZE)                     \
	ALLOC_FN((base) + 3, family, _Zna##z##RKSt9nothrow_t, SIZE)                     \
	ALLOC_FN((base) + 4, family, _Znw##z##St11align_val_t, SIZE)                    \
	ALLOC_FN((base) + 5, family, _Zna##z##St11align_val_t, SIZE)                    \
	ALLOC_FN((base) + 6, family, _Znw##z##St11align_val_tRKSt9nothrow_t, SIZE)      \
	ALLOC_FN((base) + 7, family, _Zna##z##St11align_val_tRKSt9nothrow_t, SIZE)      \
	ALLOC_FN((base) + 8, family, _ZdlPv, PTR)                                       \
	ALLOC_FN((base) + 9, family, _ZdaPv, PTR)                                       \
	ALLOC_FN((base) + 10, family, _ZdlPv##z, PTR)                                   \
	ALLOC_FN((base) + 11, family, _ZdaPv##z, PTR)                                   \
	ALLOC_FN((base) + 12, family, _ZdlPvRKSt9nothrow_t, PTR)                        \
	ALLOC_FN((base) + 13, family, _ZdaPvRKSt9nothrow_t, PTR)                        \
	ALLOC_FN((base) + 14, family, _ZdlPvSt11align_val_t, PTR)                       \
	ALLOC_FN((base) + 15, family, _ZdaPvSt11align_val_t, PTR)                       \
	ALLOC_FN((base) + 16, family, _ZdlPvSt11align_val_tRKSt9nothrow_t, PTR)         \
	ALLOC_FN((base) + 17, family, _ZdaPvSt11align_val_tRKSt9nothrow_t, PTR)         \
	ALLOC_FN((base) + 18, family, _ZdlPv##z##St11align_val_t, PTR)                  \
	ALLOC_FN((base) + 19, family, _ZdaPv##z##St11align_val_t, PTR)

#define ALLOC_CXX_NAMES(ALLOC_FN, base, family) ALLOC_CXX_NAMES_OF(ALLOC_FN, base, family, m)

/* glibc's rows are older than this layout: the first ten have their own numbers. */
#define ALLOC_GLIBC(ALLOC_FN)                                   \
	ALLOC_FN(1, GLIBC, malloc, SIZE)                        \
	ALLOC_FN(2, GLIBC, calloc, COUNT_SIZE)                  \
	ALLOC_FN(3, GLIBC, realloc, PTR_SIZE)                   \
	ALLOC_FN(4, GLIBC, reallocarray, PTR_COUNT_SIZE)        \
	ALLOC_FN(5, GLIBC, free, PTR)                           \
	ALLOC_FN(6, GLIBC, posix_memalign, OUT_ALIGN_SIZE)      \
	ALLOC_FN(7, GLIBC, aligned_alloc, ALIGN_SIZE)           \
	ALLOC_FN(8, GLIBC, memalign, ALIGN_SIZE)                \
	ALLOC_FN(9, GLIBC, valloc, SIZE)                        \
	ALLOC_FN(10, GLIBC, pvalloc, SIZE)                      \
	ALLOC_FN(11, GLIBC, cfree, PTR)                         \
	ALLOC_FN(12, GLIBC, free_sized, PTR)                    \
	ALLOC_FN(13, GLIBC, free_aligned_sized, PTR)

/* jemalloc's functions as they are named when built with a prefix; Rust's crate has _rjem_. */
#define ALLOC_JEMALLOC_NAMES(ALLOC_FN, base, prefix)                            \
	ALLOC_FN((base) + 0, JEMALLOC, prefix##malloc, SIZE)                    \
	ALLOC_FN((base) + 1, JEMALLOC, prefix##calloc, COUNT_SIZE)              \
	ALLOC_FN((base) + 2, JEMALLOC, prefix##realloc, PTR_SIZE)               \
	ALLOC_FN((base) + 3, JEMALLOC, prefix##free, PTR)                       \
	ALLOC_FN((base) + 4, JEMALLOC, prefix##posix_memalign, OUT_ALIGN_SIZE)  \
	ALLOC_FN((base) + 5, JEMALLOC, prefix##aligned_alloc, ALIGN_SIZE)       \
	ALLOC_FN((base) + 6, JEMALLOC, prefix##memalign, ALIGN_SIZE)            \
	ALLOC_FN((base) + 7, JEMALLOC, prefix##valloc, SIZE)                    \
	ALLOC_FN((base) + 8, JEMALLOC, prefix##pvalloc, SIZE)                   \
	ALLOC_FN((base) + 9, JEMALLOC, prefix##free_sized, PTR)                 \
	ALLOC_FN((base) + 10, JEMALLOC, prefix##free_aligned_sized, PTR)        \
	ALLOC_FN((base) + 11, JEMALLOC, prefix##mallocx, SIZE)                  \
	ALLOC_FN((base) + 12, JEMALLOC, prefix##rallocx, PTR_SIZE)              \
	ALLOC_FN((base) + 13, JEMALLOC, prefix##xallocx, RESIZED)               \
	ALLOC_FN((base) + 14, JEMALLOC, prefix##dallocx, PTR)                   \
	ALLOC_FN((base) + 15, JEMALLOC, prefix##sdallocx, PTR)

#define ALLOC_JEMALLOC(ALLOC_FN)                        \
	ALLOC_C_NAMES(ALLOC_FN, 128, JEMALLOC)          \
	ALLOC_CXX_NAMES(ALLOC_FN, 144, JEMALLOC)        \
	ALLOC_FN(168, JEMALLOC, mallocx, SIZE)          \
	ALLOC_FN(169, JEMALLOC, rallocx, PTR_SIZE)      \
	ALLOC_FN(170, JEMALLOC, xallocx, RESIZED)       \
	ALLOC_FN(171, JEMALLOC, dallocx, PTR)           \
	ALLOC_FN(172, JEMALLOC, sdallocx, PTR)          \
	ALLOC_JEMALLOC_NAMES(ALLOC_FN, 176, je_)        \
	ALLOC_JEMALLOC_NAMES(ALLOC_FN, 208, _rjem_)

/* gperftools' tc_*, then Google's newer tcmalloc. */
#define ALLOC_TCMALLOC(ALLOC_FN)                                                        \
	ALLOC_C_NAMES(ALLOC_FN, 256, TCMALLOC)                                          \
	ALLOC_CXX_NAMES(ALLOC_FN, 272, TCMALLOC)                                        \
	ALLOC_FN(296, TCMALLOC, sdallocx, PTR)                                          \
	ALLOC_FN(300, TCMALLOC, _Znwm12__hot_cold_t, SIZE)                              \
	ALLOC_FN(301, TCMALLOC, _ZnwmRKSt9nothrow_t12__hot_cold_t, SIZE)                \
	ALLOC_FN(302, TCMALLOC, _ZnwmSt11align_val_t12__hot_cold_t, SIZE)               \
	ALLOC_FN(303, TCMALLOC, _ZnwmSt11align_val_tRKSt9nothrow_t12__hot_cold_t, SIZE) \
	ALLOC_FN(304, TCMALLOC, _Znam12__hot_cold_t, SIZE)                              \
	ALLOC_FN(305, TCMALLOC, _ZnamRKSt9nothrow_t12__hot_cold_t, SIZE)                \
	ALLOC_FN(306, TCMALLOC, _ZnamSt11align_val_t12__hot_cold_t, SIZE)               \
	ALLOC_FN(307, TCMALLOC, _ZnamSt11align_val_tRKSt9nothrow_t12__hot_cold_t, SIZE) \
	ALLOC_FN(308, TCMALLOC, __size_returning_new, SIZE)                             \
	ALLOC_FN(309, TCMALLOC, __size_returning_new_aligned, SIZE)                     \
	ALLOC_FN(310, TCMALLOC, __size_returning_new_hot_cold, SIZE)                    \
	ALLOC_FN(311, TCMALLOC, __size_returning_new_aligned_hot_cold, SIZE)            \
	ALLOC_FN(320, TCMALLOC, tc_malloc, SIZE)                                        \
	ALLOC_FN(321, TCMALLOC, tc_malloc_skip_new_handler, SIZE)                       \
	ALLOC_FN(322, TCMALLOC, tc_calloc, COUNT_SIZE)                                  \
	ALLOC_FN(323, TCMALLOC, tc_realloc, PTR_SIZE)                                   \
	ALLOC_FN(324, TCMALLOC, tc_memalign, ALIGN_SIZE)                                \
	ALLOC_FN(325, TCMALLOC, tc_posix_memalign, OUT_ALIGN_SIZE)                      \
	ALLOC_FN(326, TCMALLOC, tc_valloc, SIZE)                                        \
	ALLOC_FN(327, TCMALLOC, tc_pvalloc, SIZE)                                       \
	ALLOC_FN(328, TCMALLOC, tc_free, PTR)                                           \
	ALLOC_FN(329, TCMALLOC, tc_free_sized, PTR)                                     \
	ALLOC_FN(330, TCMALLOC, tc_cfree, PTR)                                          \
	ALLOC_FN(331, TCMALLOC, tc_new, SIZE)                                           \
	ALLOC_FN(332, TCMALLOC, tc_new_nothrow, SIZE)                                   \
	ALLOC_FN(333, TCMALLOC, tc_new_aligned, SIZE)                                   \
	ALLOC_FN(334, TCMALLOC, tc_new_aligned_nothrow, SIZE)                           \
	ALLOC_FN(335, TCMALLOC, tc_newarray, SIZE)                                      \
	ALLOC_FN(336, TCMALLOC, tc_newarray_nothrow, SIZE)                              \
	ALLOC_FN(337, TCMALLOC, tc_newarray_aligned, SIZE)                              \
	ALLOC_FN(338, TCMALLOC, tc_newarray_aligned_nothrow, SIZE)                      \
	ALLOC_FN(339, TCMALLOC, tc_delete, PTR)                                         \
	ALLOC_FN(340, TCMALLOC, tc_delete_sized, PTR)                                   \
	ALLOC_FN(341, TCMALLOC, tc_delete_nothrow, PTR)                                 \
	ALLOC_FN(342, TCMALLOC, tc_delete_aligned, PTR)                                 \
	ALLOC_FN(343, TCMALLOC, tc_delete_sized_aligned, PTR)                           \
	ALLOC_FN(344, TCMALLOC, tc_delete_aligned_nothrow, PTR)                         \
	ALLOC_FN(345, TCMALLOC, tc_deletearray, PTR)                                    \
	ALLOC_FN(346, TCMALLOC, tc_deletearray_sized, PTR)                              \
	ALLOC_FN(347, TCMALLOC, tc_deletearray_nothrow, PTR)                            \
	ALLOC_FN(348, TCMALLOC, tc_deletearray_aligned, PTR)                            \
	ALLOC_FN(349, TCMALLOC, tc_deletearray_sized_aligned, PTR)                      \
	ALLOC_FN(350, TCMALLOC, tc_deletearray_aligned_nothrow, PTR)                    \
	ALLOC_FN(360, TCMALLOC, TCMallocInternalMalloc, SIZE)                           \
	ALLOC_FN(361, TCMALLOC, TCMallocInternalCalloc, COUNT_SIZE)                     \
	ALLOC_FN(362, TCMALLOC, TCMallocInternalRealloc, PTR_SIZE)                      \
	ALLOC_FN(363, TCMALLOC, TCMallocInternalReallocArray, PTR_COUNT_SIZE)           \
	ALLOC_FN(364, TCMALLOC, TCMallocInternalMemalign, ALIGN_SIZE)                   \
	ALLOC_FN(365, TCMALLOC, TCMallocInternalAlignedAlloc, ALIGN_SIZE)               \
	ALLOC_FN(366, TCMALLOC, TCMallocInternalPosixMemalign, OUT_ALIGN_SIZE)          \
	ALLOC_FN(367, TCMALLOC, TCMallocInternalValloc, SIZE)                           \
	ALLOC_FN(368, TCMALLOC, TCMallocInternalPvalloc, SIZE)                          \
	ALLOC_FN(369, TCMALLOC, TCMallocInternalFree, PTR)                              \
	ALLOC_FN(370, TCMALLOC, TCMallocInternalFreeSized, PTR)                         \
	ALLOC_FN(371, TCMALLOC, TCMallocInternalFreeAlignedSized, PTR)                  \
	ALLOC_FN(372, TCMALLOC, TCMallocInternalCfree, PTR)                             \
	ALLOC_FN(373, TCMALLOC, TCMallocInternalSdallocx, PTR)                          \
	ALLOC_FN(374, TCMALLOC, TCMallocInternalNew, SIZE)                              \
	ALLOC_FN(375, TCMALLOC, TCMallocInternalNewNothrow, SIZE)                       \
	ALLOC_FN(376, TCMALLOC, TCMallocInternalNewAligned, SIZE)                       \
	ALLOC_FN(377, TCMALLOC, TCMallocInternalNewAlignedNothrow, SIZE)                \
	ALLOC_FN(378, TCMALLOC, TCMallocInternalNew_nothrow, SIZE)                      \
	ALLOC_FN(379, TCMALLOC, TCMallocInternalNewAligned_nothrow, SIZE)               \
	ALLOC_FN(380, TCMALLOC, TCMallocInternalNewArray, SIZE)                         \
	ALLOC_FN(381, TCMALLOC, TCMallocInternalNewArrayNothrow, SIZE)                  \
	ALLOC_FN(382, TCMALLOC, TCMallocInternalNewArrayAligned, SIZE)                  \
	ALLOC_FN(383, TCMALLOC, TCMallocInternalNewArrayAlignedNothrow, SIZE)           \
	ALLOC_FN(384, TCMALLOC, TCMallocInternalNewArray_nothrow, SIZE)                 \
	ALLOC_FN(385, TCMALLOC, TCMallocInternalNewArrayAligned_nothrow, SIZE)          \
	ALLOC_FN(386, TCMALLOC, TCMallocInternalDelete, PTR)                            \
	ALLOC_FN(387, TCMALLOC, TCMallocInternalDeleteSized, PTR)                       \
	ALLOC_FN(388, TCMALLOC, TCMallocInternalDeleteNothrow, PTR)                     \
	ALLOC_FN(389, TCMALLOC, TCMallocInternalDeleteAligned, PTR)                     \
	ALLOC_FN(390, TCMALLOC, TCMallocInternalDeleteSizedAligned, PTR)                \
	ALLOC_FN(391, TCMALLOC, TCMallocInternalDeleteAlignedNothrow, PTR)              \
	ALLOC_FN(392, TCMALLOC, TCMallocInternalDelete_nothrow, PTR)                    \
	ALLOC_FN(393, TCMALLOC, TCMallocInternalDeleteAligned_nothrow, PTR)             \
	ALLOC_FN(394, TCMALLOC, TCMallocInternalDeleteArray, PTR)                       \
	ALLOC_FN(395, TCMALLOC, TCMallocInternalDeleteArraySized, PTR)                  \
	ALLOC_FN(396, TCMALLOC, TCMallocInternalDeleteArrayNothrow, PTR)                \
	ALLOC_FN(397, TCMALLOC, TCMallocInternalDeleteArrayAligned, PTR)                \
	ALLOC_FN(398, TCMALLOC, TCMallocInternalDeleteArraySizedAligned, PTR)           \
	ALLOC_FN(399, TCMALLOC, TCMallocInternalDeleteArrayAlignedNothrow, PTR)         \
	ALLOC_FN(400, TCMALLOC, TCMallocInternalDeleteArray_nothrow, PTR)               \
	ALLOC_FN(401, TCMALLOC, TCMallocInternalDeleteArrayAligned_nothrow, PTR)

#define ALLOC_MIMALLOC(ALLOC_FN)                                                        \
	ALLOC_C_NAMES(ALLOC_FN, 448, MIMALLOC)                                          \
	ALLOC_CXX_NAMES(ALLOC_FN, 464, MIMALLOC)                                        \
	ALLOC_FN(488, MIMALLOC, vfree, PTR)                                             \
	ALLOC_FN(489, MIMALLOC, reallocf, PTR_SIZE)                                     \
	ALLOC_FN(490, MIMALLOC, _aligned_malloc, SIZE)                                  \
	ALLOC_FN(496, MIMALLOC, mi_malloc, SIZE)                                        \
	ALLOC_FN(497, MIMALLOC, mi_zalloc, SIZE)                                        \
	ALLOC_FN(498, MIMALLOC, mi_malloc_small, SIZE)                                  \
	ALLOC_FN(499, MIMALLOC, mi_zalloc_small, SIZE)                                  \
	ALLOC_FN(500, MIMALLOC, mi_calloc, COUNT_SIZE)                                  \
	ALLOC_FN(501, MIMALLOC, mi_mallocn, COUNT_SIZE)                                 \
	ALLOC_FN(502, MIMALLOC, mi_realloc, PTR_SIZE)                                   \
	ALLOC_FN(503, MIMALLOC, mi_reallocf, PTR_SIZE)                                  \
	ALLOC_FN(504, MIMALLOC, mi_rezalloc, PTR_SIZE)                                  \
	ALLOC_FN(505, MIMALLOC, mi_reallocn, PTR_COUNT_SIZE)                            \
	ALLOC_FN(506, MIMALLOC, mi_reallocarray, PTR_COUNT_SIZE)                        \
	ALLOC_FN(507, MIMALLOC, mi_recalloc, PTR_COUNT_SIZE)                            \
	ALLOC_FN(508, MIMALLOC, mi_expand, PTR_SIZE)                                    \
	ALLOC_FN(509, MIMALLOC, mi_free, PTR)                                           \
	ALLOC_FN(510, MIMALLOC, mi_cfree, PTR)                                          \
	ALLOC_FN(511, MIMALLOC, mi_free_size, PTR)                                      \
	ALLOC_FN(512, MIMALLOC, mi_free_size_aligned, PTR)                              \
	ALLOC_FN(513, MIMALLOC, mi_free_aligned, PTR)                                   \
	ALLOC_FN(514, MIMALLOC, mi_posix_memalign, OUT_ALIGN_SIZE)                      \
	ALLOC_FN(515, MIMALLOC, mi_memalign, ALIGN_SIZE)                                \
	ALLOC_FN(516, MIMALLOC, mi_aligned_alloc, ALIGN_SIZE)                           \
	ALLOC_FN(517, MIMALLOC, mi_valloc, SIZE)                                        \
	ALLOC_FN(518, MIMALLOC, mi_pvalloc, SIZE)                                       \
	ALLOC_FN(519, MIMALLOC, mi_malloc_aligned, SIZE)                                \
	ALLOC_FN(520, MIMALLOC, mi_malloc_aligned_at, SIZE)                             \
	ALLOC_FN(521, MIMALLOC, mi_zalloc_aligned, SIZE)                                \
	ALLOC_FN(522, MIMALLOC, mi_zalloc_aligned_at, SIZE)                             \
	ALLOC_FN(523, MIMALLOC, mi_calloc_aligned, COUNT_SIZE)                          \
	ALLOC_FN(524, MIMALLOC, mi_calloc_aligned_at, COUNT_SIZE)                       \
	ALLOC_FN(525, MIMALLOC, mi_realloc_aligned, PTR_SIZE)                           \
	ALLOC_FN(526, MIMALLOC, mi_realloc_aligned_at, PTR_SIZE)                        \
	ALLOC_FN(527, MIMALLOC, mi_rezalloc_aligned, PTR_SIZE)                          \
	ALLOC_FN(528, MIMALLOC, mi_rezalloc_aligned_at, PTR_SIZE)                       \
	ALLOC_FN(529, MIMALLOC, mi_recalloc_aligned, PTR_COUNT_SIZE)                    \
	ALLOC_FN(530, MIMALLOC, mi_recalloc_aligned_at, PTR_COUNT_SIZE)                 \
	ALLOC_FN(531, MIMALLOC, mi_aligned_recalloc, PTR_COUNT_SIZE)                    \
	ALLOC_FN(532, MIMALLOC, mi_aligned_offset_recalloc, PTR_COUNT_SIZE)             \
	ALLOC_FN(533, MIMALLOC, mi_new, SIZE)                                           \
	ALLOC_FN(534, MIMALLOC, mi_new_nothrow, SIZE)                                   \
	ALLOC_FN(535, MIMALLOC, mi_new_aligned, SIZE)                                   \
	ALLOC_FN(536, MIMALLOC, mi_new_aligned_nothrow, SIZE)                           \
	ALLOC_FN(537, MIMALLOC, mi_new_n, COUNT_SIZE)                                   \
	ALLOC_FN(538, MIMALLOC, mi_new_realloc, PTR_SIZE)                               \
	ALLOC_FN(539, MIMALLOC, mi_new_reallocn, PTR_COUNT_SIZE)                        \
	ALLOC_FN(560, MIMALLOC, mi_heap_malloc, HEAP_SIZE)                              \
	ALLOC_FN(561, MIMALLOC, mi_heap_zalloc, HEAP_SIZE)                              \
	ALLOC_FN(562, MIMALLOC, mi_heap_malloc_small, HEAP_SIZE)                        \
	ALLOC_FN(563, MIMALLOC, mi_heap_calloc, HEAP_COUNT_SIZE)                        \
	ALLOC_FN(564, MIMALLOC, mi_heap_mallocn, HEAP_COUNT_SIZE)                       \
	ALLOC_FN(565, MIMALLOC, mi_heap_realloc, HEAP_PTR_SIZE)                         \
	ALLOC_FN(566, MIMALLOC, mi_heap_reallocf, HEAP_PTR_SIZE)                        \
	ALLOC_FN(567, MIMALLOC, mi_heap_rezalloc, HEAP_PTR_SIZE)                        \
	ALLOC_FN(568, MIMALLOC, mi_heap_reallocn, HEAP_PTR_COUNT_SIZE)                  \
	ALLOC_FN(569, MIMALLOC, mi_heap_recalloc, HEAP_PTR_COUNT_SIZE)                  \
	ALLOC_FN(570, MIMALLOC, mi_heap_malloc_aligned, HEAP_SIZE)                      \
	ALLOC_FN(571, MIMALLOC, mi_heap_malloc_aligned_at, HEAP_SIZE)                   \
	ALLOC_FN(572, MIMALLOC, mi_heap_zalloc_aligned, HEAP_SIZE)                      \
	ALLOC_FN(573, MIMALLOC, mi_heap_zalloc_aligned_at, HEAP_SIZE)                   \
	ALLOC_FN(574, MIMALLOC, mi_heap_calloc_aligned, HEAP_COUNT_SIZE)                \
	ALLOC_FN(575, MIMALLOC, mi_heap_calloc_aligned_at, HEAP_COUNT_SIZE)             \
	ALLOC_FN(576, MIMALLOC, mi_heap_realloc_aligned, HEAP_PTR_SIZE)                 \
	ALLOC_FN(577, MIMALLOC, mi_heap_realloc_aligned_at, HEAP_PTR_SIZE)              \
	ALLOC_FN(578, MIMALLOC, mi_heap_rezalloc_aligned, HEAP_PTR_SIZE)                \
	ALLOC_FN(579, MIMALLOC, mi_heap_rezalloc_aligned_at, HEAP_PTR_SIZE)             \
	ALLOC_FN(580, MIMALLOC, mi_heap_recalloc_aligned, HEAP_PTR_COUNT_SIZE)          \
	ALLOC_FN(581, MIMALLOC, mi_heap_recalloc_aligned_at, HEAP_PTR_COUNT_SIZE)       \
	ALLOC_FN(582, MIMALLOC, mi_heap_alloc_new, HEAP_SIZE)                           \
	ALLOC_FN(583, MIMALLOC, mi_heap_alloc_new_n, HEAP_COUNT_SIZE)

/*
 * Memory asked of the kernel, with --mmap only. brk() is left to sbrk, which says how much; a mapping
 * counts as a whole and goes as a whole.
 */
#define ALLOC_MMAP(ALLOC_FN)                    \
	ALLOC_FN(640, MMAP, mmap, MAPPED)       \
	ALLOC_FN(641, MMAP, mmap64, MAPPED)     \
	ALLOC_FN(642, MMAP, munmap, PTR)        \
	ALLOC_FN(643, MMAP, mremap, REMAPPED)   \
	ALLOC_FN(644, MMAP, sbrk, BROKEN)

/* OTHER: an allocator nobody here knows. CXX: a program's own operators. */
#define ALLOC_API(ALLOC_FN)                     \
	ALLOC_GLIBC(ALLOC_FN)                   \
	ALLOC_C_NAMES(ALLOC_FN, 32, MUSL)       \
	ALLOC_C_NAMES(ALLOC_FN, 64, OTHER)      \
	ALLOC_CXX_NAMES(ALLOC_FN, 96, CXX)      \
	ALLOC_JEMALLOC(ALLOC_FN)                \
	ALLOC_TCMALLOC(ALLOC_FN)                \
	ALLOC_MIMALLOC(ALLOC_FN)                \
	ALLOC_MMAP(ALLOC_FN)

/*
 * Functions that tell whose the C names of a file are, the surest first: that of the first marker that
 * a file defines. Before them counts a C name at one address with a family's own (malloc, mi_malloc);
 * prefixed names alone tell nothing, for such an allocator stands beside the C library's. CXX marks the
 * C++ library: its operators merely call malloc, and a probe on both would cost twice and tell nothing.
 *
 * ALLOC_MARKER(family, symbol)
 */
#define ALLOC_MARKERS(ALLOC_MARKER)                                             \
	ALLOC_MARKER(JEMALLOC, mallctl)                                         \
	ALLOC_MARKER(GLIBC, gnu_get_libc_version)                               \
	ALLOC_MARKER(GLIBC, __malloc_arena_thread_freeres)                      \
	ALLOC_MARKER(GLIBC, __libc_mallopt)                                     \
	ALLOC_MARKER(GLIBC, __malloc_hugepage_config)                           \
	ALLOC_MARKER(MUSL, __malloc_donate)                                     \
	ALLOC_MARKER(MUSL, __malloc_alloc_meta)                                 \
	ALLOC_MARKER(MUSL, __expand_heap)                                       \
	ALLOC_MARKER(MUSL, __simple_malloc)                                     \
	ALLOC_MARKER(TCMALLOC, tc_version)                                      \
	ALLOC_MARKER(TCMALLOC, MallocExtension_Internal_GetNumericProperty)     \
	ALLOC_MARKER(MIMALLOC, mi_version)                                      \
	ALLOC_MARKER(OTHER, __uClibc_main)                                      \
	ALLOC_MARKER(CXX, _ZSt15get_new_handlerv)                               \
	ALLOC_MARKER(CXX, _ZSt17__throw_bad_allocv)

/*
 * What a function's arguments mean, by position from 1; 0: it has no such argument.
 *
 * ALLOC_SHAPE(name, size, count, ptr, out, result)
 *   size    bytes requested (of one element where there is a count)
 *   count   number of elements
 *   ptr     the block given back: freed, or resized
 *   out     where the new block's address is stored; otherwise it is returned. A function with `out`
 *           returns 0 on success, an errno value on failure (POSIX posix_memalign).
 *   result  what it returns: NONE of interest; a BLOCK, or NULL; with IN_PLACE the bytes that the block
 *           ptr has now, less than size when it could not grow; a MAPPING, or -1. The count of a MAPPING
 *           is no count but the flags of mmap: only what is anonymous is memory.
 */
#define ALLOC_SHAPES(ALLOC_SHAPE)                               \
	ALLOC_SHAPE(SIZE, 1, 0, 0, 0, BLOCK)                    \
	ALLOC_SHAPE(COUNT_SIZE, 2, 1, 0, 0, BLOCK)              \
	ALLOC_SHAPE(PTR_SIZE, 2, 0, 1, 0, BLOCK)                \
	ALLOC_SHAPE(PTR_COUNT_SIZE, 3, 2, 1, 0, BLOCK)          \
	ALLOC_SHAPE(ALIGN_SIZE, 2, 0, 0, 0, BLOCK)              \
	ALLOC_SHAPE(OUT_ALIGN_SIZE, 3, 0, 0, 1, BLOCK)          \
	ALLOC_SHAPE(PTR, 0, 0, 1, 0, NONE)                      \
	ALLOC_SHAPE(HEAP_SIZE, 2, 0, 0, 0, BLOCK)               \
	ALLOC_SHAPE(HEAP_COUNT_SIZE, 3, 2, 0, 0, BLOCK)         \
	ALLOC_SHAPE(HEAP_PTR_SIZE, 3, 0, 2, 0, BLOCK)           \
	ALLOC_SHAPE(HEAP_PTR_COUNT_SIZE, 4, 3, 2, 0, BLOCK)     \
	ALLOC_SHAPE(RESIZED, 2, 0, 1, 0, IN_PLACE)              \
	ALLOC_SHAPE(MAPPED, 2, 4, 0, 0, MAPPING)                \
	ALLOC_SHAPE(REMAPPED, 3, 0, 1, 0, MAPPING)              \
	ALLOC_SHAPE(BROKEN, 1, 0, 0, 0, MAPPING)

#endif /* ALLOC_API_H */
