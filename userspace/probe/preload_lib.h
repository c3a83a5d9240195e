/* SPDX-License-Identifier: BSD-2-Clause */
/* Where libheaptap-preload.so is. */
#ifndef PRELOAD_LIB_H
#define PRELOAD_LIB_H

#include <stdbool.h>

#define PRELOAD_LIB_NAME "libheaptap-preload.so"

/*
 * Its path: what $HEAPTAP_PRELOAD names, else beside the program, else where `make install` puts
 * it. The caller frees it. NULL: it is nowhere, or somebody else could have changed it; *why, to be
 * freed, is the sentence that says so.
 */
char *preload_lib__find(char **why);

/* Does the library know a variable of the environment? One from another version may not. */
bool preload_lib__knows(const char *path, const char *variable);

#endif /* PRELOAD_LIB_H */
