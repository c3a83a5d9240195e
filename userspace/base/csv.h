/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of values separated by a character, in two dialects, written and read back. A row is one
 * line: fields hold no ends of lines.
 */
#ifndef CSV_H
#define CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct csv_dialect {
	char separator;
	bool backslash; /* a quote in a quoted field has a backslash before it (as has a
			   backslash); else it is doubled */
};

/* RFC 4180, but for the ends of rows: they are LF. */
extern const struct csv_dialect csv_rfc4180;
/* What malloc-trace writes: semicolons, quotes with backslashes. */
extern const struct csv_dialect csv_malloc_trace;

/* A row that is being written. Zero-initialise but for the dialect; kept for the next row. */
struct csv_row {
	const struct csv_dialect *dialect;
	char *text; /* nr_fields of them, len bytes, no NUL */
	size_t len, capacity;
	unsigned nr_fields;
};

void csv_row__begin(struct csv_row *row);
void csv_row__uint(struct csv_row *row, uint64_t value);
void csv_row__hex(struct csv_row *row, uint64_t value); /* with 0x */
/* Quoted where it must be. NULL is an empty field. Control characters and bytes that are not UTF-8
 * become '?'. */
void csv_row__text(struct csv_row *row, const char *text);
/* Quoted anyway, as it is: without ends of lines. */
void csv_row__quoted(struct csv_row *row, const char *text, size_t len);
/* A field that is in the dialect already. */
void csv_row__raw(struct csv_row *row, const char *text, size_t len);
void csv_row__end(struct csv_row *row); /* the end of the line */
void csv_row__clear(struct csv_row *row);

struct csv_field {
	const char *text; /* no NUL */
	size_t len;
	size_t at, row_len; /* in the row, with quotes and escapes */
};

/*
 * Takes a row (without its LF) apart. Its fields, at most max, are without quotes and escapes, in
 * scratch, which has room for len bytes. Returns how many they are; those before the first that is
 * malformed, or would be one too many, when *malformed.
 */
unsigned csv__parse(const struct csv_dialect *dialect, const char *row, size_t len, char *scratch,
		    struct csv_field *fields, unsigned max, bool *malformed);
bool csv_field__is(const struct csv_field *field, const char *text);
/* A whole decimal number. */
bool csv_field__uint(const struct csv_field *field, uint64_t *value);

#endif /* CSV_H */
