/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A JSON writer: commas, indentation and escapes are its business, the shape is the caller's.
 * Output is always valid JSON: text that is not UTF-8 has U+FFFD in its place. Any depth will do.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	unsigned depth;
	bool has_items; /* the innermost open object or array */
};

void json__begin(struct json *json, FILE *out);
/* key NULL: an element of an array, or the outermost value. */
void json__object(struct json *json, const char *key);
void json__array(struct json *json, const char *key);
/* Ends the object or the array opened last. */
void json__end_object(struct json *json);
void json__end_array(struct json *json);
/* NULL text is null. */
void json__string(struct json *json, const char *key, const char *text);
void json__uint(struct json *json, const char *key, uint64_t value);
void json__int(struct json *json, const char *key, int64_t value);
/* value / 10^decimals, without zeros at the end: 1500, 3 is 1.5. */
void json__decimal(struct json *json, const char *key, uint64_t value, unsigned decimals);
void json__bool(struct json *json, const char *key, bool value);
void json__null(struct json *json, const char *key);

/* A text alone, in its quotes. */
void json__write_text(FILE *out, const char *text);

#endif /* JSON_H */
