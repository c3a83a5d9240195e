// SPDX-License-Identifier: BSD-2-Clause
#include "fail_rules.h"

#include <stddef.h>
#include <string.h>

/* What stands behind a word: all of it is understood, or the rule is not. */
typedef bool (*set_fn)(struct fail_rules *rules, const char *value, size_t len);

static bool set_path(struct fail_rules *rules, const char *value, size_t len)
{
	rules->path = true;
	return !len;
}

static bool set_persistent(struct fail_rules *rules, const char *value, size_t len)
{
	rules->persistent = true;
	return !len;
}

/* Digits at the beginning of a value; how many there are, or 0 where they are too many. */
static size_t read_digits(const char *value, size_t len, uint64_t *number)
{
	size_t n = 0;

	for (*number = 0; n < len && value[n] >= '0' && value[n] <= '9'; n++) {
		if (*number > UINT32_MAX * 1000ull)
			return 0;
		*number = *number * 10 + (uint64_t)(value[n] - '0');
	}
	return n;
}

static bool read_u32(const char *value, size_t len, uint32_t *number)
{
	uint64_t wide;
	size_t n = read_digits(value, len, &wide);

	*number = (uint32_t)wide;
	return n && n == len && wide <= UINT32_MAX;
}

static bool set_nth(struct fail_rules *rules, const char *value, size_t len)
{
	return read_u32(value, len, &rules->nth) && rules->nth;
}

static bool set_seed(struct fail_rules *rules, const char *value, size_t len)
{
	return read_u32(value, len, &rules->seed);
}

static bool set_count(struct fail_rules *rules, const char *value, size_t len)
{
	return read_u32(value, len, &rules->count) && rules->count;
}

/* Percent, with four decimals at most. */
static bool set_rate(struct fail_rules *rules, const char *value, size_t len)
{
	uint64_t whole, part = 0;
	size_t n = read_digits(value, len, &whole), decimals = 0;

	if (!n || whole > 100)
		return false;
	if (n < len && value[n] == '.') {
		decimals = read_digits(value + n + 1, len - n - 1, &part);
		if (!decimals || decimals > 4)
			return false;
		n += 1 + decimals;
	}
	if (n + 1 != len || value[n] != '%')
		return false;
	for (; decimals < 4; decimals++)
		part *= 10;
	rules->rate = (uint32_t)(whole * (FAIL_RATE_ONE / 100) + part);
	return rules->rate && rules->rate <= FAIL_RATE_ONE;
}

/* An operator, digits, and perhaps one of K, M, G. */
static bool set_size(struct fail_rules *rules, const char *value, size_t len)
{
	uint64_t bytes;
	size_t n = len ? read_digits(value + 1, len - 1, &bytes) + 1 : 0;
	unsigned shift = 0;

	if (n < 2)
		return false;
	if (n + 1 == len)
		shift = value[n] == 'K' ? 10 : value[n] == 'M' ? 20 : value[n] == 'G' ? 30 : 0;
	if (n + (shift != 0) != len || (value[0] == '<' && !bytes))
		return false;
	bytes <<= shift;
	if (value[0] != '<')
		rules->min_bytes = bytes + (value[0] == '>');
	if (value[0] != '>')
		rules->max_bytes = bytes - (value[0] == '<');
	return true;
}

static bool set_text(char *to, size_t size, const char *value, size_t len)
{
	if (!len || len >= size)
		return false;
	memcpy(to, value, len);
	to[len] = '\0';
	return true;
}

static bool set_module(struct fail_rules *rules, const char *value, size_t len)
{
	return set_text(rules->module, sizeof(rules->module), value, len);
}

static bool set_function(struct fail_rules *rules, const char *value, size_t len)
{
	return set_text(rules->function, sizeof(rules->function), value, len);
}

static const struct word {
	const char *begin;
	set_fn set;
} words[] = {
	{ "path", set_path },	       { "persistent", set_persistent },
	{ "nth=", set_nth },	       { "rate=", set_rate },
	{ "seed=", set_seed },	       { "count=", set_count },
	{ "size", set_size },	       { "module=", set_module },
	{ "function=", set_function },
};

static bool read_rule(struct fail_rules *rules, const char *rule, size_t len)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t begin = strlen(words[i].begin);

		if (len < begin || strncmp(rule, words[i].begin, begin))
			continue;
		if (words[i].set != set_size || (len > begin && strchr("<=>", rule[begin])))
			return words[i].set(rules, rule + begin, len - begin);
	}
	return false;
}

bool fail_rules__parse(struct fail_rules *rules, const char *text)
{
	bool good = true;

	memset(rules, 0, sizeof(*rules));
	rules->max_bytes = UINT64_MAX;
	while (good) {
		size_t len = strcspn(text, ",");

		good = read_rule(rules, text, len);
		if (!text[len])
			break;
		text += len + 1;
	}
	rules->given = good;
	return good;
}

/* Neighbours in one sequence have nothing in common, and seeds are sequences of their own. */
static uint32_t mix(uint32_t seed, uint32_t number)
{
	uint64_t word = ((uint64_t)seed << 32 | number) * 0x9e3779b97f4a7c15ull;

	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9ull;
	word = (word ^ word >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)(word >> 32);
}

bool fail_rules__chosen(const struct fail_rules *rules, uint32_t number)
{
	if (rules->nth && number != rules->nth)
		return false;
	return !rules->rate ||
	       (uint64_t)mix(rules->seed, number) * FAIL_RATE_ONE >> 32 < rules->rate;
}
