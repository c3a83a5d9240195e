// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/opt_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/opts.h"

const char *opt_value__shown_name(const struct opt *opt)
{
	static char text[64];

	if (opt->letter)
		snprintf(text, sizeof(text), "--%s (-%c)", opt->name, opt->letter);
	else
		snprintf(text, sizeof(text), "--%s", opt->name);
	return text;
}

static int parse_duration(const char *text, uint64_t max_ns, uint64_t *value_ns)
{
	int err = parse__duration_ns(text, value_ns);

	return !err && *value_ns > max_ns ? -ERANGE : err;
}

/* How the argument of each type is read, and what is said when it cannot be. */
static const struct {
	int (*parse)(const char *text, uint64_t max, uint64_t *value);
	const char *wants;
} arguments[] = {
	[OPT_NUMBER] = { parse__u64, "a whole number" },
	[OPT_BYTES] = { parse__bytes, "a number of bytes such as 4096, 64K or 1M" },
	[OPT_DURATION] = { parse_duration, "a time in seconds such as 60, 0.5 or 10m" },
	[OPT_PID] = { parse__u64, "a process id" },
	[OPT_EXITCODE] = { parse__u64, "an exit status" },
};

/* The bounds of an option that has both, for a message: " from 64K to 2G". */
static const char *shown_bounds(const struct opt *opt)
{
	static char text[64];

	if (opt->type == OPT_DURATION && opt->min > 1) {
		snprintf(text, sizeof(text), ", %g or more", (double)opt->min / 1e9);
		return text;
	}
	if (opt->max == UINT64_MAX)
		return opt->min ? ", more than 0" : "";
	if (opt->type == OPT_BYTES)
		snprintf(text, sizeof(text), ", from %lluK to %lluG",
			 (unsigned long long)opt->min >> 10, (unsigned long long)opt->max >> 30);
	else
		snprintf(text, sizeof(text), " from %llu to %llu", (unsigned long long)opt->min,
			 (unsigned long long)opt->max);
	return text;
}

static int read_number(const struct opt *opt, const char *text, uint64_t *value)
{
	int err = arguments[opt->type].parse(text, opt->max, value);

	if (!err && *value >= opt->min)
		return 0;
	log_err("%s takes %s%s, not '%s'.", opt_value__shown_name(opt), arguments[opt->type].wants,
		shown_bounds(opt), text);
	return -EINVAL;
}

/* One number, or several with commas between. */
static int add_pids(const struct opt *opt, const char *text, struct options *options)
{
	char *words = xstrdup(text), *rest = words, *word;
	uint64_t value;
	int err = 0;

	while (!err && (word = strsep(&rest, ","))) {
		err = read_number(opt, word, &value);
		if (!err && options->nr_pids == OPT_MAX_PIDS) {
			log_err("--pid (-p) names more than %d processes; --comm, --cgroup and "
				"--children have no such limit.",
				OPT_MAX_PIDS);
			err = -EINVAL;
		}
		if (!err)
			options->pids[options->nr_pids++] = (uint32_t)value;
	}
	free(words);
	return err;
}

static int set_string(const struct opt *opt, const char **member, const char *text)
{
	if (!*text) {
		log_err("%s takes %s %s, not an empty word.", opt_value__shown_name(opt),
			strchr("AEIOU", *opt->arg) ? "an" : "a", opt->arg);
		return -EINVAL;
	}
	*member = text;
	return 0;
}

static int add_string(const struct opt *opt, struct words *words, const char *text)
{
	const char *word = NULL;
	int err = set_string(opt, &word, text);

	if (err)
		return err;
	words->all = array__grow(words->all, words->nr, &words->capacity, sizeof(*words->all));
	words->all[words->nr++] = word;
	return 0;
}

static int set_share(const struct opt *opt, struct share *share, const char *text)
{
	char *end;

	*share = (struct share){ 0 };
	if (!parse__bytes(text, UINT64_MAX, &share->bytes))
		return 0;
	share->percent = strtod(text, &end);
	if (*text >= '0' && *text <= '9' && share->percent <= 100 && !strcmp(end, "%"))
		return 0;
	log_err("%s takes a number of bytes such as 4096 or 64K, or a percentage such as 1%% or "
		"0.5%%, not '%s'.",
		opt_value__shown_name(opt), text);
	return -EINVAL;
}

static int set_word(const struct opt *opt, const char **member, const char *text)
{
	size_t len = strlen(text);

	for (const char *word = opt->arg; word; word = strchr(word, '|')) {
		word += *word == '|';
		if (strcspn(word, "|") == len && !strncmp(word, text, len)) {
			*member = text;
			return 0;
		}
	}
	log_err("%s takes one of %s, not '%s'.", opt_value__shown_name(opt), opt->arg, text);
	return -EINVAL;
}

static int set_moment(const struct opt *opt, struct moment *moment, const char *text)
{
	if (!moment__parse(text, moment))
		return 0;
	log_err("%s takes a time after the start such as 90, 1.5 or 10m, or a time of day such as "
		"2026-01-31T12:00:00, not '%s'.",
		opt_value__shown_name(opt), text);
	return -EINVAL;
}

static int set_moments(const struct opt *opt, struct moment *moments, const char *text,
		       const char *next)
{
	int err = set_moment(opt, &moments[0], text);

	if (err)
		return err;
	if (!next) {
		log_err("%s takes two times, as in: --%s 10 20", opt_value__shown_name(opt),
			opt->name);
		return -EINVAL;
	}
	return set_moment(opt, &moments[1], next);
}

static bool takes_number(const struct opt *opt)
{
	return opt->arg && opt->type < ARRAY_SIZE(arguments) && arguments[opt->type].parse;
}

int opt_value__store(const struct opt *opt, const char *text, const char *next,
		     struct options *options)
{
	void *member = (char *)options + opt->member;
	uint64_t value = 0;

	if (takes_number(opt) && opt->type != OPT_PID && read_number(opt, text, &value))
		return -EINVAL;
	switch (opt->type) {
	case OPT_FLAG:
		*(bool *)member = true;
		break;
	case OPT_COUNT:
		++*(unsigned *)member;
		break;
	case OPT_STRING:
		return set_string(opt, member, text);
	case OPT_SHARE:
		return set_share(opt, member, text);
	case OPT_STRINGS:
		return add_string(opt, member, text);
	case OPT_WORD:
		return set_word(opt, member, text);
	case OPT_NUMBER:
	case OPT_BYTES:
	case OPT_DURATION:
		*(uint64_t *)member = value;
		break;
	case OPT_PID:
		return add_pids(opt, text, options);
	case OPT_EXITCODE:
		*(int *)member = (int)value;
		break;
	case OPT_MOMENT:
		return set_moment(opt, member, text);
	case OPT_MOMENTS:
		return set_moments(opt, member, text, next);
	case OPT_ALLOCATOR:
		return custom__parse(member, text, opt_value__shown_name(opt));
	case OPT_ALLOCATOR_FILE:
		return custom__parse_file(member, text) ? -EINVAL : 0;
	case OPT_ON:
	case OPT_OFF:
		*(enum opt_tristate *)member = opt->type == OPT_ON ? OPT_YES : OPT_NO;
		break;
	}
	return 0;
}
