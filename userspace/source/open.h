/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sources behind a file's name, one a format. Each reads fd, which it takes over (stdin stays
 * open), by the name it has in messages; the first len bytes have been read from it already and are
 * at start. NULL after saying in a sentence why not.
 */
#ifndef OPEN_H
#define OPEN_H

#include <stddef.h>

struct source;

/* A recording. */
struct source *file_source__new(int fd, const char *name, const void *start, size_t len);
/* A stream of libdumpalloc. */
struct source *dumpalloc_source__new(int fd, const char *name, const void *start, size_t len);

#endif /* OPEN_H */
