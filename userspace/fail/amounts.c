// SPDX-License-Identifier: BSD-2-Clause
#include "fail/amounts.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"

#define MAX_WORD 48

/* One number of bytes; of a word of len characters. */
static int parse_bytes(const char *text, size_t len, uint64_t *bytes)
{
	char word[MAX_WORD];

	if (!len || len >= sizeof(word))
		return -EINVAL;
	memcpy(word, text, len);
	word[len] = '\0';
	return parse__bytes(word, UINT64_MAX, bytes) ? -EINVAL : 0;
}

/* What begins with a sign. */
static int parse_bound(const char *text, uint64_t *min_bytes, uint64_t *max_bytes)
{
	bool with_equal = text[1] == '=';
	const char *number = text + 1 + with_equal;
	uint64_t bytes;

	if (parse_bytes(number, strlen(number), &bytes))
		return -EINVAL;
	if (*text == '>') {
		if (!with_equal && bytes == UINT64_MAX)
			return -EINVAL;
		*min_bytes = bytes + !with_equal;
	} else {
		if (!with_equal && !bytes)
			return -EINVAL;
		*max_bytes = bytes - !with_equal;
	}
	return 0;
}

int fail_amounts__parse_sizes(const char *text, uint64_t *min_bytes, uint64_t *max_bytes)
{
	const char *dash = strchr(text, '-');
	int err;

	*min_bytes = 0;
	*max_bytes = UINT64_MAX;
	if (*text == '<' || *text == '>')
		return parse_bound(text, min_bytes, max_bytes);
	text += *text == '=' && !dash;
	err = parse_bytes(text, dash ? (size_t)(dash - text) : strlen(text), min_bytes);
	if (!err && dash)
		err = parse_bytes(dash + 1, strlen(dash + 1), max_bytes);
	else
		*max_bytes = *min_bytes;
	return err ? err : *min_bytes > *max_bytes ? -EINVAL : 0;
}

int fail_amounts__parse_rate(const char *text, uint32_t *rate)
{
	uint64_t millionths = 0, unit = 1000000;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text) && millionths <= 100 * unit; text++)
		millionths = 10 * millionths + (uint64_t)(*text - '0') * 1000000;
	if (*text == '.')
		for (text++; isdigit((unsigned char)*text); text++)
			millionths += (uint64_t)(*text - '0') * (unit /= 10);
	if (strcmp(text, "%") || !millionths || millionths > FAIL_RATE_ALL)
		return -EINVAL;
	*rate = (uint32_t)millionths;
	return 0;
}
