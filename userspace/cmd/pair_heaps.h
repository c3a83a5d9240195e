/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of allocations that no row has taken back so far, by process and address. */
#ifndef PAIR_HEAPS_H
#define PAIR_HEAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row that may be left. */
struct pair_row {
	uint64_t offset;	/* in the file */
	struct pair_text *text; /* NULL where it can be read again */
	uint32_t len;
	uint32_t pid; /* of the child that has inherited it; 0: that in the row */
};

struct pair_heaps;

/* What children have inherited may be max_copies rows at once. */
struct pair_heaps *pair_heaps__new(uint64_t max_copies);
void pair_heaps__free(struct pair_heaps *heaps);

/* Keeps a row of len bytes, more than 0, for an address where none is. text is copied; NULL: it
 * need not be. */
void pair_heaps__keep(struct pair_heaps *heaps, uint32_t pid, uint64_t address, uint64_t offset,
		      const char *text, uint32_t len);
/* Whether there was something. */
bool pair_heaps__take_back(struct pair_heaps *heaps, uint32_t pid, uint64_t address);
/* Another process of the same pid may follow. lost: what was live is gone; else it is left. */
void pair_heaps__end(struct pair_heaps *heaps, uint32_t pid, bool lost);
/* child, which is new, has all that parent has. False: that is more than may be kept at once, or
 * copying costs more than a file of nr_rows rows may; the child begins with nothing. */
bool pair_heaps__fork(struct pair_heaps *heaps, uint32_t parent, uint32_t child, uint64_t nr_rows);

/* After the last row. Those that are left, in their order; nr: how many. Lives as long as heaps. */
const struct pair_row *pair_heaps__left(struct pair_heaps *heaps, size_t *nr);
/* Of a row that cannot be read again. */
const char *pair_row__text(const struct pair_row *row);

#endif /* PAIR_HEAPS_H */
