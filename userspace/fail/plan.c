// SPDX-License-Identifier: BSD-2-Clause
#include "fail/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fail/amounts.h"

/* Beyond that the library takes no sizes, and there are none. */
#define MAX_BYTES (1ull << 42)
/* It takes four decimals of a percent. */
#define RATE_STEP (FAIL_RATE_ALL / 1000000)

static void put_sizes(FILE *out, uint64_t low, uint64_t high)
{
	low = min(low, MAX_BYTES);
	high = low < high && high > MAX_BYTES ? UINT64_MAX : min(high, MAX_BYTES);
	if (low == high) {
		fprintf(out, ",size=%" PRIu64, low);
		return;
	}
	if (low)
		fprintf(out, ",size>%" PRIu64, low - 1);
	if (high != UINT64_MAX)
		fprintf(out, ",size<%" PRIu64, high + 1);
}

/* A library is named so; the rest are functions. */
static bool is_file(const char *name, const char *program)
{
	return strchr(name, '/') || strstr(name, ".so") || (program && !strcmp(name, program));
}

static char *check(const struct fail_wishes *wishes, uint64_t *low, uint64_t *high, uint32_t *rate)
{
	*low = 0;
	*high = UINT64_MAX;
	if (wishes->sizes && fail_amounts__parse_sizes(wishes->sizes, low, high))
		return xasprintf(
			"--size takes sizes such as '>1M', '<=4K', 100 or 1K-4K, not '%s'.",
			wishes->sizes);
	*rate = 0;
	if (wishes->rate && fail_amounts__parse_rate(wishes->rate, rate))
		return xasprintf("--rate takes a percentage such as 0.5%%, more than 0 and at most "
				 "100, not '%s'.",
				 wishes->rate);
	if (*rate % RATE_STEP)
		return xasprintf("--rate takes four decimals at most with a command, not '%s'.",
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
	uint32_t rate;
	FILE *out;

	*why = check(wishes, &low, &high, &rate);
	if (*why)
		return NULL;
	out = open_memstream(&text, &len);
	if (by_path)
		fputs(",path", out);
	if (wishes->nth)
		fprintf(out, ",nth=%" PRIu64, wishes->nth);
	if (wishes->rate)
		fprintf(out, ",rate=%u.%04u%%,seed=%" PRIu64, rate / 1000000,
			rate % 1000000 / RATE_STEP, wishes->seed);
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
