/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of allocations and frees, in heaptap's CSV or as malloc-trace wrote them: which allocations
 * no later free takes back. */
#ifndef PAIRING_H
#define PAIRING_H

#include <stdint.h>
#include <stdio.h>

struct pairing_counts {
	uint64_t rows, kept;
	uint64_t inherited; /* rows more, of children */
	uint64_t unmatched; /* frees of what no row allocated */
	uint64_t malformed;
	uint64_t forks_ignored; /* children whose inheritance was too much to keep */
};

/*
 * Reads all rows from fd, then writes those that are left to out, in their order, as they were; one
 * that a child has inherited, under the child's pid. Memory: 64 bytes or so for a row that is not
 * taken back so far, of each process that has it, and where fd is no regular file, the row. 0, or
 * -errno when reading failed; what stdio keeps in out's error flag is the caller's.
 */
int pairing__run(int fd, FILE *out, struct pairing_counts *counts);

#endif /* PAIRING_H */
