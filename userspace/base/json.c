// SPDX-License-Identifier: BSD-2-Clause
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>

#include "base/text.h"
#include "base/util.h"

void json__begin(struct json *json, FILE *out)
{
	*json = (struct json){ .out = out };
}

/* Most text is plain, and there is much of it: reports of large programs have millions of frames.
 */
static size_t plain_len(const char *text)
{
	size_t len = 0;

	while ((unsigned char)text[len] >= 0x20 && (unsigned char)text[len] < 0x7f &&
	       text[len] != '"' && text[len] != '\\')
		len++;
	return len;
}

void json__write_text(FILE *out, const char *text)
{
	fputc_unlocked('"', out);
	while (*text) {
		unsigned char byte = (unsigned char)*text;
		size_t length = plain_len(text);

		if (!length)
			length = text__character(text);
		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			fprintf(out, "\\u%04x", byte);
		else if (length)
			fwrite_unlocked(text, 1, length, out);
		else
			fputs("\\ufffd", out);
		text += length ? length : 1;
	}
	fputc_unlocked('"', out);
}

static void write_number(struct json *json, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	fwrite_unlocked(digits + at, 1, sizeof(digits) - at, json->out);
}

/* Indentation that nobody looks at costs time and space: a tree can be a thousand deep. */
#define MAX_INDENT 40u

static void start_line(struct json *json)
{
	static const char blanks[2 * MAX_INDENT + 1] = "                                        "
						       "                                        ";

	fputc_unlocked('\n', json->out);
	fwrite_unlocked(blanks, 1, 2 * (size_t)min(json->depth, MAX_INDENT), json->out);
}

/* The comma, the new line and the key in front of a value. */
static void start_value(struct json *json, const char *key)
{
	if (json->has_items)
		fputc_unlocked(',', json->out);
	if (json->depth)
		start_line(json);
	json->has_items = true;
	if (key) {
		json__write_text(json->out, key);
		fputs_unlocked(": ", json->out);
	}
}

static void open_group(struct json *json, const char *key, char bracket)
{
	start_value(json, key);
	fputc(bracket, json->out);
	json->depth++;
	json->has_items = false;
}

static void close_group(struct json *json, char bracket)
{
	assert(json->depth > 0);
	json->depth--;
	if (json->has_items)
		start_line(json);
	fputc(bracket, json->out);
	/* Around it is what it was an item of. */
	json->has_items = true;
	if (!json->depth)
		fputc('\n', json->out);
}

void json__object(struct json *json, const char *key)
{
	open_group(json, key, '{');
}

void json__array(struct json *json, const char *key)
{
	open_group(json, key, '[');
}

void json__end_object(struct json *json)
{
	close_group(json, '}');
}

void json__end_array(struct json *json)
{
	close_group(json, ']');
}

void json__string(struct json *json, const char *key, const char *text)
{
	if (!text) {
		json__null(json, key);
		return;
	}
	start_value(json, key);
	json__write_text(json->out, text);
}

void json__uint(struct json *json, const char *key, uint64_t value)
{
	start_value(json, key);
	write_number(json, value);
}

void json__int(struct json *json, const char *key, int64_t value)
{
	start_value(json, key);
	fprintf(json->out, "%" PRId64, value);
}

void json__decimal(struct json *json, const char *key, uint64_t value, unsigned decimals)
{
	uint64_t unit = 1, rest;

	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	start_value(json, key);
	write_number(json, value / unit);
	rest = value % unit;
	if (rest)
		fputc('.', json->out);
	while (rest) {
		unit /= 10;
		fputc('0' + (char)(rest / unit), json->out);
		rest %= unit;
	}
}

void json__bool(struct json *json, const char *key, bool value)
{
	start_value(json, key);
	fputs(value ? "true" : "false", json->out);
}

void json__null(struct json *json, const char *key)
{
	start_value(json, key);
	fputs("null", json->out);
}
