/* SPDX-License-Identifier: BSD-2-Clause */
/* What distributions pack into .gnu_debugdata: an ELF file of symbols, compressed by xz. */
#ifndef DEBUGDATA_H
#define DEBUGDATA_H

#include <stddef.h>

/* Expands it; the caller frees the result. NULL when it is damaged, or larger than max expanded. */
char *debugdata__expand(const void *packed, size_t packed_len, size_t max, size_t *len);

#endif /* DEBUGDATA_H */
