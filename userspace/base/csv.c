// SPDX-License-Identifier: BSD-2-Clause
#include "base/csv.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"

const struct csv_dialect csv_rfc4180 = { .separator = ',' };
const struct csv_dialect csv_malloc_trace = { .separator = ';', .backslash = true };

/* Where len more bytes go. */
static char *make_room(struct csv_row *row, size_t len)
{
	if (row->capacity - row->len <= len) {
		row->capacity = max(row->capacity * 2, row->len + len + 1);
		row->text = xrealloc(row->text, row->capacity);
	}
	row->len += len;
	return row->text + row->len - len;
}

static void put(struct csv_row *row, char c)
{
	*make_room(row, 1) = c;
}

static void start_field(struct csv_row *row)
{
	if (row->nr_fields++)
		put(row, row->dialect->separator);
}

void csv_row__begin(struct csv_row *row)
{
	row->len = 0;
	row->nr_fields = 0;
}

static void put_number(struct csv_row *row, uint64_t value, unsigned base)
{
	char digits[20];
	unsigned nr = 0;

	do {
		digits[sizeof(digits) - ++nr] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	memcpy(make_room(row, nr), digits + sizeof(digits) - nr, nr);
}

void csv_row__uint(struct csv_row *row, uint64_t value)
{
	start_field(row);
	put_number(row, value, 10);
}

void csv_row__hex(struct csv_row *row, uint64_t value)
{
	start_field(row);
	memcpy(make_room(row, 2), "0x", 2);
	put_number(row, value, 16);
}

void csv_row__raw(struct csv_row *row, const char *text, size_t len)
{
	start_field(row);
	memcpy(make_room(row, len), text, len);
}

void csv_row__quoted(struct csv_row *row, const char *text, size_t len)
{
	bool backslash = row->dialect->backslash;

	start_field(row);
	put(row, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || (backslash && text[i] == '\\'))
			put(row, backslash ? '\\' : '"');
		put(row, text[i]);
	}
	put(row, '"');
}

void csv_row__text(struct csv_row *row, const char *text)
{
	char *copy = xstrdup(text ? text : "");
	size_t len = strlen(copy);
	const char special[] = { '"', '\\', row->dialect->separator, '\0' };

	text__strip_controls(copy);
	/* A blank at an end is not everywhere kept without quotes. */
	if (strpbrk(copy, special) || copy[0] == ' ' || (len && copy[len - 1] == ' '))
		csv_row__quoted(row, copy, len);
	else
		csv_row__raw(row, copy, len);
	free(copy);
}

void csv_row__end(struct csv_row *row)
{
	put(row, '\n');
}

void csv_row__clear(struct csv_row *row)
{
	free(row->text);
	*row = (struct csv_row){ .dialect = row->dialect };
}

/* The rest of a quoted field, copied to *to; returns what follows its closing quote, NULL: there is
 * none. */
static const char *parse_quoted(const struct csv_dialect *dialect, const char *at, const char *end,
				char **to)
{
	for (; at < end; at++) {
		if (dialect->backslash && *at == '\\') {
			if (++at == end)
				break;
		} else if (*at == '"') {
			if (dialect->backslash || at + 1 == end || at[1] != '"')
				return at + 1;
			at++;
		}
		*(*to)++ = *at;
	}
	return NULL;
}

static const char *parse_bare(const struct csv_dialect *dialect, const char *at, const char *end,
			      char **to)
{
	for (; at < end && *at != dialect->separator; at++) {
		if (*at == '"')
			return NULL;
		*(*to)++ = *at;
	}
	return at;
}

unsigned csv__parse(const struct csv_dialect *dialect, const char *row, size_t len, char *scratch,
		    struct csv_field *fields, unsigned max, bool *malformed)
{
	const char *at = row, *end = row + len;

	*malformed = true;
	if (len && end[-1] == '\r')
		end--;
	for (unsigned nr = 0; nr < max;) {
		const char *from = at;
		char *begin = scratch;

		if (at < end && *at == '"')
			at = parse_quoted(dialect, at + 1, end, &scratch);
		else
			at = parse_bare(dialect, at, end, &scratch);
		if (!at || (at < end && *at != dialect->separator))
			return nr;
		fields[nr++] = (struct csv_field){ begin, (size_t)(scratch - begin),
						   (size_t)(from - row), (size_t)(at - from) };
		if (at == end) {
			*malformed = false;
			return nr;
		}
		at++;
	}
	return max;
}

bool csv_field__is(const struct csv_field *field, const char *text)
{
	return field->len == strlen(text) && !memcmp(field->text, text, field->len);
}

bool csv_field__uint(const struct csv_field *field, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < field->len; i++) {
		char digit = field->text[i];

		if (digit < '0' || digit > '9' || __builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(digit - '0'), value))
			return false;
	}
	return field->len > 0;
}
