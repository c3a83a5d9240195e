// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/fail_rules.h"

#include <errno.h>

#include "base/log.h"
#include "fail/amounts.h"

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
	uint32_t rate = FAIL_RATE_ALL;

	*rules = (struct inject_rules){ .max_bytes = UINT64_MAX,
					.nth = options->nth,
					.count = options->max_failures,
					.seed = options->seed,
					.paths = options->paths };
	if (options->sizes &&
	    fail_amounts__parse_sizes(options->sizes, &rules->min_bytes, &rules->max_bytes)) {
		log_err("--size takes sizes such as '>1M', '<=4K', 100 or 1K-4K, not '%s'.",
			options->sizes);
		return -EINVAL;
	}
	if (options->rate && fail_amounts__parse_rate(options->rate, &rate)) {
		log_err("--rate takes a percentage such as 0.5%%, more than 0 and at most 100, not "
			"'%s'.",
			options->rate);
		return -EINVAL;
	}
	rules->rate = ((uint64_t)rate << 32) / FAIL_RATE_ALL;
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
