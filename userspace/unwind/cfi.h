/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiles the call frame information of an ELF file (.eh_frame, and .debug_frame where it has
 * none) into rows. Sections are hostile: corrupt, truncated, cyclic or absurd ones give fewer rows
 * and a warning's text, never a crash, a hang or unbounded memory.
 */
#ifndef CFI_H
#define CFI_H

#include "unwind/rows.h"

/*
 * fd is of an ELF file (the caller's). NULL with errno: ENOEXEC (no ELF file for x86-64), ENODATA
 * (no unwind information at all). *problem, when not NULL, is set to NULL or to the end of a
 * sentence about damage that was met ("has damaged unwind information"), a constant.
 */
struct unwind_table *cfi__compile(int fd, const char **problem);

/* Likewise for an image in memory (the vdso), len bytes. */
struct unwind_table *cfi__compile_image(const void *image, size_t len, const char **problem);

#endif /* CFI_H */
