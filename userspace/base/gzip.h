/* SPDX-License-Identifier: BSD-2-Clause */
/* A writer of gzip files (RFC 1952): the same bytes in, the same bytes out; no name and no time is
 * in them. */
#ifndef GZIP_H
#define GZIP_H

#include <stddef.h>
#include <stdio.h>

struct gzip;

/* What is written goes to out, whose error flag is the caller's. */
struct gzip *gzip__new(FILE *out);
void gzip__write(struct gzip *gzip, const void *data, size_t len);
/* Writes what is left, and frees. */
void gzip__finish(struct gzip *gzip);

#endif /* GZIP_H */
