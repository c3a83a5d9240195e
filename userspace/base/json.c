// SPDX-License-Identifier: BSD-2-Clause
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>

#include "base/text.h"

void json__begin(struct json *json, FILE *out)
{
	*json = (struct json){ .out = out };
}

static void write_text(struct json *json, const char *text)
{
	fputc('"', json->out);
	while (*text) {
		unsigned char byte = (unsigned char)*text;
		size_t length = text__character(text);

		if (byte == '"' || byte == '\\')
			fprintf(json->out, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			fprintf(json->out, "\\u%04x", byte);
		else if (length)
			fwrite(text, 1, length, json->out);
		else
			fputs("\\ufffd", json->out);
		text += length ? length : 1;
	}
	fputc('"', json->out);
}

/* The comma, the new line and the key in front of a value. */
static void start_value(struct json *json, const char *key)
{
	if (json->has_items[json->depth])
		fputc(',', json->out);
	if (json->depth)
		fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
	json->has_items[json->depth] = true;
	if (key) {
		write_text(json, key);
		fputs(": ", json->out);
	}
}

static void open_group(struct json *json, const char *key, char bracket)
{
	start_value(json, key);
	fputc(bracket, json->out);
	assert(json->depth < JSON_MAX_DEPTH);
	json->has_items[++json->depth] = false;
}

static void close_group(struct json *json, char bracket)
{
	bool had_items = json->has_items[json->depth];

	assert(json->depth > 0);
	json->depth--;
	if (had_items)
		fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
	fputc(bracket, json->out);
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
	write_text(json, text);
}

void json__uint(struct json *json, const char *key, uint64_t value)
{
	start_value(json, key);
	fprintf(json->out, "%" PRIu64, value);
}

void json__decimal(struct json *json, const char *key, uint64_t value, unsigned decimals)
{
	uint64_t unit = 1, rest;

	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	start_value(json, key);
	fprintf(json->out, "%" PRIu64, value / unit);
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
