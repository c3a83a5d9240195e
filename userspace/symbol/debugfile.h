/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the file of a module is, and where its debug information may be. */
#ifndef DEBUGFILE_H
#define DEBUGFILE_H

#include <stdbool.h>

#include "symbol/modmap.h"

/* May the module be a file at all ("[vdso]", "//anon" are none)? */
bool debugfile__is_file(const struct module *module);

/* Is it code that the program generated? No file, or memory in the shape of one, without ELF. */
bool debugfile__is_generated(const struct module *module);

/* The path of the module's file on this machine; the caller frees it. sysroot may be NULL. */
char *debugfile__path(const struct module *module, const char *sysroot);

/*
 * Opens the module's file: the one it holds open, else by path below sysroot, which neither ".."
 * nor symbolic links lead out of. A descriptor, or -errno: -ESTALE when its build-id is another
 * than the module's, -ENOEXEC when it is no ELF file.
 */
int debugfile__open(const struct module *module, const char *sysroot);

/* The directories to search for separate debug files, in elfutils' notation; the caller frees it.
 * Both may be NULL. */
char *debugfile__search_path(const char *sysroot, const char *debug_dir);

#endif /* DEBUGFILE_H */
