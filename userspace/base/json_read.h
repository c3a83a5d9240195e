/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a JSON text of anybody's: all of it is checked, depth and size are bounded. */
#ifndef JSON_READ_H
#define JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

struct json_value {
	enum json_type type;
	const char *key;  /* of an object's member, unescaped; NULL: an element */
	const char *text; /* of JSON_TEXT, unescaped; of numbers and truth values as written */
	uint32_t first;	  /* number of the first member or element; 0: none */
	uint32_t next;	  /* of the one behind this in the same array or object; 0: none */
};

struct json_doc {
	char *text;
	struct json_value *values; /* the outermost is number 1 */
	size_t nr, capacity;
};

/* A copy of text is taken apart. 0, or -EBADMSG, when it is no JSON, has a NUL in a string, or is
 * nested more than 16 deep; *doc is empty then. */
int json_read__parse(struct json_doc *doc, const char *text, size_t len);
void json_read__clear(struct json_doc *doc);

const struct json_value *json_read__root(const struct json_doc *doc);
/* NULL: there is none. */
const struct json_value *json_read__first(const struct json_doc *doc,
					  const struct json_value *value);
const struct json_value *json_read__next(const struct json_doc *doc,
					 const struct json_value *value);
/* The member of an object; NULL where there is none, or value is NULL or no object. */
const struct json_value *json_read__member(const struct json_doc *doc,
					   const struct json_value *value, const char *key);
/* Its text; NULL where it is no text. */
const char *json_read__text(const struct json_doc *doc, const struct json_value *value,
			    const char *key);
/* Its value; fallback where it is no whole number from 0 to UINT64_MAX. */
uint64_t json_read__u64(const struct json_doc *doc, const struct json_value *value, const char *key,
			uint64_t fallback);

#endif /* JSON_READ_H */
