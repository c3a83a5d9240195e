// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/fail_rules.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
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

int fail_rules__parse_sizes(const char *text, uint64_t *min_bytes, uint64_t *max_bytes)
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

int fail_rules__parse_rate(const char *text, uint64_t *rate)
{
	uint64_t millionths = 0, unit = 1000000;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text) && millionths <= 100 * unit; text++)
		millionths = 10 * millionths + (uint64_t)(*text - '0') * 1000000;
	if (*text == '.')
		for (text++; isdigit((unsigned char)*text); text++)
			millionths += (uint64_t)(*text - '0') * (unit /= 10);
	if (strcmp(text, "%") || !millionths || millionths > 100000000)
		return -EINVAL;
	*rate = (millionths << 32) / 100000000;
	return 0;
}

/* Everything would fail until the process cannot go on: that has to be said. */
static int check_choice(const struct options *options)
{
	if (options->only.nr || options->sizes || options->nth || options->rate ||
	    options->max_failures || options->paths)
		return 0;
	log_err("heaptap fail wants to know which calls shall fail: --only, --size, --nth, --rate, "
		"--count or --paths; --rate 100%% for all of them. See: heaptap help fail");
	return -EINVAL;
}

int fail_rules__make(const struct options *options, struct inject_rules *rules)
{
	*rules = (struct inject_rules){ .max_bytes = UINT64_MAX,
					.nth = options->nth,
					.count = options->max_failures,
					.rate = INJECT_ALWAYS,
					.seed = options->seed,
					.paths = options->paths };
	if (options->sizes &&
	    fail_rules__parse_sizes(options->sizes, &rules->min_bytes, &rules->max_bytes)) {
		log_err("--size takes sizes such as '>1M', '<=4K', 100 or 1K-4K, not '%s'.",
			options->sizes);
		return -EINVAL;
	}
	if (options->rate && fail_rules__parse_rate(options->rate, &rules->rate)) {
		log_err("--rate takes a percentage such as 0.5%%, more than 0 and at most 100, not "
			"'%s'.",
			options->rate);
		return -EINVAL;
	}
	if (options->seed && !options->rate) {
		log_err("--seed says by which numbers --rate chooses, and there is no --rate.");
		return -EINVAL;
	}
	return check_choice(options);
}

uint64_t fail_rules__limit(const struct inject_rules *rules)
{
	return rules->nth ? 1 : rules->count;
}
