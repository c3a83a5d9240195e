/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the file of a module and its debug information. What is found is compared with what ran:
 * by build-id; where the recording has none, by the code in front of the return addresses. To be
 * used in the child process of isolate.h: the files are anybody's.
 */
#ifndef DEBUGFILE_H
#define DEBUGFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "symbol/sym.h"

/* May the module be a file at all ("[vdso]", "//anon" are none)? */
bool debugfile__is_file(const struct module *module);

/* Is it code that the program generated? No file, or memory in the shape of one, without ELF. */
bool debugfile__is_generated(const struct module *module);

struct debugfile {
	int fd;	    /* -1: none */
	char *path; /* on this machine */
	/* It is the file that ran, or has its build-id. False: nothing speaks against it. */
	bool is_certain;
};

/*
 * Opens the module's file: the one it holds open, else by path below the sysroot, else one that has
 * the build-id or, in the debug folder, the name. It may be a debug file without code. vaddrs are
 * nr return addresses in it. 0, or -errno: -ESTALE when there is another file in its place,
 * -ENOEXEC when it is no ELF file.
 */
int debugfile__open(const struct module *module, const struct sym_options *options,
		    const uint64_t *vaddrs, uint32_t nr, struct debugfile *file);

/*
 * Opens the file that has the debug information, or at least the symbols, that were stripped from
 * the file. False when the file has all itself, or there is none.
 */
bool debugfile__open_separate(const struct module *module, const struct sym_options *options,
			      const struct debugfile *file, struct debugfile *separate);

void debugfile__close(struct debugfile *file);

/* The folders where elfutils searches for what else it needs, in its notation; the caller frees it.
 * Both may be NULL. */
char *debugfile__search_path(const char *sysroot, const char *debug_dir);

#endif /* DEBUGFILE_H */
