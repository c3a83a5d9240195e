/* SPDX-License-Identifier: BSD-2-Clause */
/* Names as their authors wrote them: C++ and Rust. */
#ifndef DEMANGLE_H_HEAPTAP
#define DEMANGLE_H_HEAPTAP

/*
 * The demangled name, without the version of a versioned symbol ("@@GLIBC_2.34") and without what
 * GCC appends to parts of a C++ function (".part.0", ".cold"); a plain copy of what is not mangled,
 * or is too long either way. Never NULL; the caller frees it.
 */
char *demangle__name(const char *name);

#endif /* DEMANGLE_H_HEAPTAP */
