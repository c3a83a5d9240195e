// SPDX-License-Identifier: BSD-2-Clause
#include "fail/plan.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define MAX_WORD 48

static bool parse_bytes(const char *text, size_t len, uint64_t *bytes)
{
	char word[MAX_WORD];

	if (!len || len >= sizeof(word))
		return false;
	memcpy(word, text, len);
	word[len] = '\0';
	return !parse__bytes(word, UINT64_MAX / 2, bytes);
}

/* Sizes from *low to *high. */
static bool parse_sizes(const char *text, uint64_t *low, uint64_t *high)
{
	const char *dash = strchr(text, '-'), *number = text;
	char sign = *text;
	uint64_t bytes;

	*low = 0;
	*high = UINT64_MAX;
	if (sign != '<' && sign != '>') {
		if (!parse_bytes(text, dash ? (size_t)(dash - text) : strlen(text), low))
			return false;
		*high = *low;
		return !dash || (parse_bytes(dash + 1, strlen(dash + 1), high) && *low <= *high);
	}
	number += text[1] == '=' ? 2 : 1;
	if (!parse_bytes(number, strlen(number), &bytes))
		return false;
	if (sign == '>')
		*low = bytes + (text[1] != '=');
	else if (text[1] == '=' || bytes)
		*high = bytes - (text[1] != '=');
	else
		return false;
	return true;
}

static void put_sizes(FILE *out, uint64_t low, uint64_t high)
{
	if (low == high) {
		fprintf(out, ",size=%" PRIu64, low);
		return;
	}
	if (low)
		fprintf(out, ",size>%" PRIu64, low - 1);
	if (high != UINT64_MAX)
		fprintf(out, ",size<%" PRIu64, high + 1);
}

static bool is_rate(const char *text)
{
	size_t len = strspn(text, "0123456789");

	if (!len)
		return false;
	if (text[len] == '.')
		len += 1 + strspn(text + len + 1, "0123456789");
	return !strcmp(text + len, "%") && strtod(text, NULL) > 0 && strtod(text, NULL) <= 100;
}

/* A library is named so; the rest are functions. */
static bool is_file(const char *name, const char *program)
{
	return strchr(name, '/') || strstr(name, ".so") || (program && !strcmp(name, program));
}

static char *check(const struct fail_wishes *wishes, uint64_t *low, uint64_t *high)
{
	*low = 0;
	*high = UINT64_MAX;
	if (wishes->sizes && !parse_sizes(wishes->sizes, low, high))
		return xasprintf(
			"--size takes sizes such as '>1M', '<=4K', 100 or 1K-4K, not '%s'.",
			wishes->sizes);
	if (wishes->rate && !is_rate(wishes->rate))
		return xasprintf("--rate takes a percentage such as 0.5%%, more than 0 and at most "
				 "100, not '%s'.",
				 wishes->rate);
	if (wishes->seed && !wishes->rate)
		return xstrdup("--seed says by which numbers --rate chooses, and there is no "
			       "--rate.");
	if (wishes->seed > UINT32_MAX || wishes->nth > UINT32_MAX || wishes->count > UINT32_MAX)
		return xstrdup("--nth, --seed and --count take numbers below 4294967296 with a "
			       "command.");
	if (wishes->only && strchr(wishes->only, ','))
		return xasprintf("--only takes a name without commas, not '%s'.", wishes->only);
	if (wishes->many && wishes->count)
		return xstrdup(
			"--many lets all new call paths of a run fail, --count so many: they "
			"do not go together.");
	return NULL;
}

char *fail_plan__rules(const struct fail_wishes *wishes, char **why)
{
	bool by_path = !fail_plan__is_one_run(wishes);
	uint64_t low, high, count = wishes->count;
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	*why = check(wishes, &low, &high);
	if (*why)
		return NULL;
	out = open_memstream(&text, &len);
	if (by_path)
		fputs(",path", out);
	if (wishes->nth)
		fprintf(out, ",nth=%" PRIu64, wishes->nth);
	if (wishes->rate)
		fprintf(out, ",rate=%s,seed=%" PRIu64, wishes->rate, wishes->seed);
	if (wishes->persistent)
		fputs(",persistent", out);
	else if (by_path && !wishes->many && !count)
		count = 1;
	if (count)
		fprintf(out, ",count=%" PRIu64, count);
	put_sizes(out, low, high);
	if (wishes->only)
		fprintf(out, ",%s=%s",
			is_file(wishes->only, wishes->program) ? "module" : "function",
			wishes->only);
	fclose(out);
	memmove(text, text + 1, len);
	return text;
}
