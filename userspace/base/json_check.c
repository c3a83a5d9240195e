// SPDX-License-Identifier: BSD-2-Clause
#include "base/json_check.h"

#include <ctype.h>
#include <string.h>

#define MAX_DEPTH 16

struct scan {
	const char *at, *end;
};

/* The next character, '\0' at the end. */
static char peek(const struct scan *scan)
{
	return scan->at < scan->end ? *scan->at : '\0';
}

static bool take(struct scan *scan, char c)
{
	if (peek(scan) != c || scan->at == scan->end)
		return false;
	scan->at++;
	return true;
}

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end && memchr(" \t\r\n", *scan->at, 4))
		scan->at++;
}

static bool skip_digits(struct scan *scan)
{
	const char *begin = scan->at;

	while (isdigit((unsigned char)peek(scan)))
		scan->at++;
	return scan->at > begin;
}

static bool skip_number(struct scan *scan)
{
	take(scan, '-');
	if (!take(scan, '0') && !skip_digits(scan))
		return false;
	if (take(scan, '.') && !skip_digits(scan))
		return false;
	if (!take(scan, 'e') && !take(scan, 'E'))
		return true;
	if (!take(scan, '+'))
		take(scan, '-');
	return skip_digits(scan);
}

static bool skip_escape(struct scan *scan)
{
	if (take(scan, 'u')) {
		for (int i = 0; i < 4; i++)
			if (!isxdigit((unsigned char)peek(scan)) || scan->at++ == scan->end)
				return false;
		return true;
	}
	return scan->at < scan->end && memchr("\"\\/bfnrt", *scan->at++, 8);
}

static bool skip_string(struct scan *scan)
{
	if (!take(scan, '"'))
		return false;
	while (scan->at < scan->end) {
		unsigned char c = (unsigned char)*scan->at++;

		if (c == '"')
			return true;
		if (c < 0x20 || (c == '\\' && !skip_escape(scan)))
			return false;
	}
	return false;
}

static bool skip_value(struct scan *scan, unsigned depth);

/* The members of an array, or of an object, whose opening bracket is past. */
static bool skip_members(struct scan *scan, char close, unsigned depth)
{
	skip_blanks(scan);
	if (take(scan, close))
		return true;
	do {
		skip_blanks(scan);
		if (close == '}') {
			if (!skip_string(scan))
				return false;
			skip_blanks(scan);
			if (!take(scan, ':'))
				return false;
		}
		if (!skip_value(scan, depth + 1))
			return false;
		skip_blanks(scan);
	} while (take(scan, ','));
	return take(scan, close);
}

static bool skip_word(struct scan *scan, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len))
		return false;
	scan->at += len;
	return true;
}

static bool skip_value(struct scan *scan, unsigned depth)
{
	skip_blanks(scan);
	if (depth > MAX_DEPTH)
		return false;
	if (take(scan, '['))
		return skip_members(scan, ']', depth);
	if (take(scan, '{'))
		return skip_members(scan, '}', depth);
	if (peek(scan) == '"')
		return skip_string(scan);
	return skip_word(scan, "true") || skip_word(scan, "false") || skip_word(scan, "null") ||
	       skip_number(scan);
}

bool json__is_valid(const char *text, size_t len)
{
	struct scan scan = { text, text + len };

	if (!skip_value(&scan, 0))
		return false;
	skip_blanks(&scan);
	return scan.at == scan.end;
}
