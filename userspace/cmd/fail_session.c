// SPDX-License-Identifier: BSD-2-Clause
/* What the options of heaptap fail mean for a command: rules for the library, a pattern. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/fail_drive.h"
#include "fail/plan.h"

/* The rules for one name; NULL: any. 0 or -EINVAL. */
static int add_rules(struct fail_session *session, const char *only)
{
	const struct options *options = session->options;
	struct fail_wishes wishes = { .sizes = options->sizes,
				      .rate = options->rate,
				      .only = only,
				      .program = path__base(options->command[0]),
				      .nth = options->nth,
				      .seed = options->seed,
				      .count = options->max_failures,
				      .many = options->many,
				      .persistent = options->persistent };
	char *why = NULL, *rules = fail_plan__rules(&wishes, &why);

	if (why)
		log_err("%s", why);
	free(why);
	if (!rules)
		return -EINVAL;
	session->rules =
		xreallocarray(session->rules, session->nr_rules + 1, sizeof(*session->rules));
	session->rules[session->nr_rules++] = rules;
	return 0;
}

/* Of the words of --only, which may have several names each. */
static int add_names(struct fail_session *session, const char *word)
{
	char *names = xstrdup(word), *rest = names, *name;
	int err = 0;

	while (!err && (name = strsep(&rest, ",")))
		if (*name)
			err = add_rules(session, name);
	free(names);
	return err;
}

/* The library knows one name at a time: of several each has its runs. */
static int make_rules(struct fail_session *session)
{
	const struct options *options = session->options;
	int err = 0;

	for (size_t i = 0; i < options->only.nr && !err; i++)
		err = add_names(session, options->only.all[i]);
	if (!options->only.nr)
		err = add_rules(session, NULL);
	if (!err && !session->nr_rules) {
		log_err("--only takes names of functions and files.");
		err = -EINVAL;
	}
	if (!err && session->nr_rules > 1 && (options->nth || options->rate)) {
		log_err("--nth and --rate count the calls of one run: --only takes one name with "
			"them.");
		err = -EINVAL;
	}
	return err;
}

/* 0 or -EINVAL, said. */
static int compile_ready(struct fail_session *session)
{
	const char *pattern = session->options->ready;
	char why[128];
	int err = pattern ? regcomp(&session->ready, pattern, REG_EXTENDED | REG_NOSUB) : 0;

	session->has_ready = pattern && !err;
	if (!err)
		return 0;
	regerror(err, &session->ready, why, sizeof(why));
	log_err("--ready takes an extended regular expression, not '%s': %s.", pattern, why);
	return -EINVAL;
}

int fail_session__read_options(struct fail_session *session)
{
	int err = make_rules(session);

	return err ? err : compile_ready(session);
}

void fail_session__clear_options(struct fail_session *session)
{
	for (size_t i = 0; i < session->nr_rules; i++)
		free(session->rules[i]);
	free(session->rules);
	if (session->has_ready)
		regfree(&session->ready);
}
