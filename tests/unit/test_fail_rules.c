// SPDX-License-Identifier: BSD-2-Clause
/* Which calls the options of heaptap fail mean. */
#include "cmd/fail_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "cmd/cmd.h"
#include "fail/amounts.h"

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
	} good[] = {
		{ "100", 100, 100 },
		{ "=100", 100, 100 },
		{ "4K", 4096, 4096 },
		{ ">1M", (1 << 20) + 1, UINT64_MAX },
		{ ">=1M", 1 << 20, UINT64_MAX },
		{ ">0", 1, UINT64_MAX },
		{ "<4K", 0, 4095 },
		{ "<=4K", 0, 4096 },
		{ "1K-4K", 1024, 4096 },
		{ "7-7", 7, 7 },
	};
	static const char *const bad[] = { "",
					   "x",
					   ">",
					   "<0",
					   "5-4",
					   "-5",
					   "5-",
					   "1-2-3",
					   "=>5",
					   "<<5",
					   ">1Q",
					   "= 5",
					   "1,2",
					   "<",
					   ">18446744073709551615",
					   "99999999999999999999999999" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		uint64_t min_bytes = 1, max_bytes = 1;

		assert_int_equal(fail_amounts__parse_sizes(good[i].text, &min_bytes, &max_bytes),
				 0);
		assert_int_equal(min_bytes, good[i].min);
		assert_int_equal(max_bytes, good[i].max);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t min_bytes, max_bytes;

		if (!fail_amounts__parse_sizes(bad[i], &min_bytes, &max_bytes))
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void test_rate(void **state)
{
	static const struct {
		const char *text;
		uint32_t rate;
	} good[] = {
		{ "100%", FAIL_RATE_ALL },
		{ "50%", FAIL_RATE_ALL / 2 },
		{ "12.5%", FAIL_RATE_ALL / 8 },
		{ "100.000000%", FAIL_RATE_ALL },
		{ "0.000001%", 1 },
		{ "1.%", FAIL_RATE_ALL / 100 },
	};
	static const char *const bad[] = { "",	   "%",	     "0%",
					   "0.0%", "100.1%", "101%",
					   "1",	   "-1%",    "1%%",
					   "1 %",  ".5%",    "0.0000001%",
					   "nan%", "1e1%",   "99999999999999999999999999999999%" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		uint32_t rate = 0;

		assert_int_equal(fail_amounts__parse_rate(good[i].text, &rate), 0);
		assert_int_equal(rate, good[i].rate);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint32_t rate;

		if (!fail_amounts__parse_rate(bad[i], &rate))
			fail_msg("'%s' was taken", bad[i]);
	}
}

/* The rules of a command line; -EINVAL where it is refused. */
static int make(const char *line, struct inject_rules *rules)
{
	char *words = xstrdup(line), *rest = words, *argv[16] = { NULL }, *word;
	struct options options;
	int argc = 0, err;

	while (argc < 15 && (word = strsep(&rest, " ")))
		argv[argc++] = word;
	err = opts__parse(&cmd_fail, argc, argv, &options);
	if (!err)
		err = fail_rules__make(&options, rules);
	opts__clear(&options);
	free(words);
	return err;
}

static void test_options(void **state)
{
	struct inject_rules rules;

	assert_int_equal(make("fail -p 1 --count 3", &rules), 0);
	assert_int_equal(rules.count, 3);
	assert_int_equal(rules.rate, INJECT_ALWAYS);
	assert_int_equal(rules.min_bytes, 0);
	assert_int_equal(rules.max_bytes, UINT64_MAX);
	assert_int_equal(fail_rules__limit(&rules), 3);
	assert_int_equal(
		make("fail -p 1 --nth 9 --count 3 --size >8 --rate 50% --seed 4 --paths", &rules),
		0);
	assert_int_equal(rules.nth, 9);
	assert_int_equal(rules.min_bytes, 9);
	assert_int_equal(rules.rate, 1ull << 31);
	assert_int_equal(rules.seed, 4);
	assert_true(rules.paths);
	assert_int_equal(fail_rules__limit(&rules), 1);
	assert_int_equal(make("fail -p 1 --only f", &rules), 0);
	assert_int_equal(fail_rules__limit(&rules), 0);
	assert_int_not_equal(make("fail -p 1", &rules), 0);
	assert_int_not_equal(make("fail -p 1 --ignore f", &rules), 0);
	assert_int_not_equal(make("fail -p 1 --only f --seed 4", &rules), 0);
	assert_int_not_equal(make("fail -p 1 --size 1-0", &rules), 0);
	assert_int_not_equal(make("fail -p 1 --rate 0%", &rules), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
