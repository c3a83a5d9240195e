// SPDX-License-Identifier: BSD-2-Clause
#include "base/json_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_check.h"
#include "base/util.h"

/*
 * json__is_valid has seen the text before: what is read here is JSON, and nested as deep as that
 * allows. So nothing below checks the grammar again.
 */
struct reader {
	struct json_doc *doc;
	char *at;
};

static void skip_blanks(struct reader *reader)
{
	reader->at += strspn(reader->at, " \t\r\n");
}

static unsigned hex4(const char *digits)
{
	char text[5] = { 0 };

	memcpy(text, digits, 4);
	return (unsigned)strtoul(text, NULL, 16);
}

/* U+FFFD for what is no character, and for U+0000, which would end the text early. */
static char *put_utf8(char *to, unsigned code)
{
	if (!code || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
		code = 0xfffd;
	if (code < 0x80) {
		*to++ = (char)code;
		return to;
	}
	if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*to++ = (char)(0xe0 | code >> 12);
		} else {
			*to++ = (char)(0xf0 | code >> 18);
			*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (code & 0x3f));
	return to;
}

/* Behind the backslash; never writes more than it reads. */
static char *unescape(const char **from, char *to)
{
	static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
	const char *name = strchr(names, **from);
	unsigned code;

	if (**from != 'u') {
		*to++ = name ? values[name - names] : **from;
		++*from;
		return to;
	}
	code = hex4(*from + 1);
	*from += 5;
	if (code >= 0xd800 && code < 0xdc00 && (*from)[0] == '\\' && (*from)[1] == 'u') {
		unsigned low = hex4(*from + 2);

		if (low >= 0xdc00 && low < 0xe000) {
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
			*from += 6;
		}
	}
	return put_utf8(to, code);
}

/* A string in its quotes, unescaped where it is. */
static const char *read_text(struct reader *reader)
{
	const char *from = reader->at + 1;
	char *text = reader->at + 1, *to = text;

	while (*from != '"') {
		if (*from == '\\') {
			from++;
			to = unescape(&from, to);
		} else {
			*to++ = *from++;
		}
	}
	reader->at += from + 1 - reader->at;
	*to = '\0';
	return text;
}

static uint32_t read_value(struct reader *reader, const char *key);

/* Returns the number of the first; 0: none. */
static uint32_t read_members(struct reader *reader, bool keyed)
{
	uint32_t first = 0, last = 0, number;

	for (reader->at++;; reader->at++) {
		const char *key = NULL;

		skip_blanks(reader);
		if (*reader->at == ']' || *reader->at == '}')
			break;
		if (keyed) {
			key = read_text(reader);
			skip_blanks(reader);
			reader->at++; /* the colon */
		}
		number = read_value(reader, key);
		if (last)
			reader->doc->values[last].next = number;
		first = first ? first : number;
		last = number;
		skip_blanks(reader);
		if (*reader->at != ',')
			break;
	}
	reader->at++;
	return first;
}

static const char *read_word(struct reader *reader)
{
	size_t len = strcspn(reader->at, " \t\r\n,]}");
	char *word = reader->at;

	/* There is no room for a NUL behind it, but in front is a blank, a colon or the like. */
	memmove(word - 1, word, len);
	word[len - 1] = '\0';
	reader->at += len;
	return word - 1;
}

static uint32_t read_value(struct reader *reader, const char *key)
{
	struct json_doc *doc = reader->doc;
	struct json_value value = { .key = key };
	uint32_t number;

	doc->values = array__grow(doc->values, doc->nr, &doc->capacity, sizeof(*doc->values));
	number = (uint32_t)doc->nr++;
	skip_blanks(reader);
	switch (*reader->at) {
	case '[':
	case '{':
		value.type = *reader->at == '{' ? JSON_OBJECT : JSON_ARRAY;
		value.first = read_members(reader, value.type == JSON_OBJECT);
		break;
	case '"':
		value.type = JSON_TEXT;
		value.text = read_text(reader);
		break;
	default:
		value.type = *reader->at == 'n'				? JSON_NULL
			     : *reader->at == 't' || *reader->at == 'f' ? JSON_BOOL
									: JSON_NUMBER;
		value.text = read_word(reader);
	}
	doc->values[number] = value;
	return number;
}

int json_read__parse(struct json_doc *doc, const char *text, size_t len)
{
	struct reader reader = { .doc = doc };

	*doc = (struct json_doc){ 0 };
	if (len >= UINT32_MAX || memchr(text, '\0', len) || !json__is_valid(text, len))
		return -EBADMSG;
	/* A blank in front, for read_word. */
	doc->text = xcalloc(len + 2, 1);
	doc->text[0] = ' ';
	memcpy(doc->text + 1, text, len);
	doc->values = array__grow(NULL, 0, &doc->capacity, sizeof(*doc->values));
	doc->values[doc->nr++] = (struct json_value){ 0 };
	reader.at = doc->text + 1;
	read_value(&reader, NULL);
	return 0;
}

void json_read__clear(struct json_doc *doc)
{
	free(doc->text);
	free(doc->values);
	*doc = (struct json_doc){ 0 };
}

const struct json_value *json_read__root(const struct json_doc *doc)
{
	return doc->nr > 1 ? &doc->values[1] : NULL;
}

const struct json_value *json_read__first(const struct json_doc *doc,
					  const struct json_value *value)
{
	return value && value->first ? &doc->values[value->first] : NULL;
}

const struct json_value *json_read__next(const struct json_doc *doc, const struct json_value *value)
{
	return value->next ? &doc->values[value->next] : NULL;
}

const struct json_value *json_read__member(const struct json_doc *doc,
					   const struct json_value *value, const char *key)
{
	const struct json_value *member;

	if (!value || value->type != JSON_OBJECT)
		return NULL;
	for (member = json_read__first(doc, value); member; member = json_read__next(doc, member))
		if (!strcmp(member->key, key))
			return member;
	return NULL;
}

const char *json_read__text(const struct json_doc *doc, const struct json_value *value,
			    const char *key)
{
	const struct json_value *member = json_read__member(doc, value, key);

	return member && member->type == JSON_TEXT ? member->text : NULL;
}

uint64_t json_read__u64(const struct json_doc *doc, const struct json_value *value, const char *key,
			uint64_t fallback)
{
	const struct json_value *member = json_read__member(doc, value, key);
	uint64_t number;

	if (!member || member->type != JSON_NUMBER || parse__u64(member->text, UINT64_MAX, &number))
		return fallback;
	return number;
}
