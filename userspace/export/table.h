/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of figures for people. Columns are as wide as what is in them. Those that do not fit
 * beside each other on the screen come below, and what a line is about comes again in front.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdint.h>

#include "export/screen.h"

#define TABLE_MAX_COLUMNS 16

struct table;

/* nr_columns, TABLE_MAX_COLUMNS at most, begin with nr_keys that say what a line is about: fewer
 * than there are columns. headings live as long as the table; ASCII, as cells. */
struct table *table__new(const char *const *headings, unsigned nr_columns, unsigned nr_keys);
void table__free(struct table *table);

/* The next cell, line by line; of up to 63 characters. A line that lacks cells is not shown. */
void table__cell(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The line that was begun last has a bar behind it; all lines have one, or none. */
void table__bar(struct table *table, uint64_t value);

void table__write(const struct table *table, const struct screen *screen);

#endif /* TABLE_H */
