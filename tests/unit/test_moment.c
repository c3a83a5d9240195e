// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "base/util.h"
#include "report/moment.h"

static const struct anchor anchor = { .monotonic_ns = 100 * NSEC_PER_SEC,
				      .realtime_ns = 1700000000 * NSEC_PER_SEC };

static void test_times_after_the_start(void **state)
{
	struct moment moment;

	assert_int_equal(moment__parse("1.5", &moment), 0);
	assert_true(moment.given && !moment.by_wall_clock);
	assert_int_equal(moment__resolve(&moment, 7, &anchor), 1500000007);
	assert_int_equal(moment__parse("10m", &moment), 0);
	assert_int_equal(moment__resolve(&moment, 0, &anchor), 600 * NSEC_PER_SEC);
	assert_int_equal(moment__resolve(&moment, UINT64_MAX - 5, &anchor), UINT64_MAX);
}

static void test_times_of_day(void **state)
{
	/* 1700000000 is 2023-11-14T22:13:20Z. */
	static const struct {
		const char *text;
		uint64_t ns; /* of the anchor's monotonic clock */
	} cases[] = {
		{ "2023-11-14T22:13:20Z", 100 * NSEC_PER_SEC },
		{ "2023-11-14 22:13:21.25Z", 101 * NSEC_PER_SEC + 250000000 },
		{ "2023-11-14T23:13:20+01:00", 100 * NSEC_PER_SEC },
		{ "2023-11-14T20:43:20-0130", 100 * NSEC_PER_SEC },
		{ "2023-11-14T22:12:20Z", 40 * NSEC_PER_SEC },
		{ "2023-11-14T21:13:20Z", 0 }, /* before the clock began */
	};
	struct moment moment;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(moment__parse(cases[i].text, &moment), 0);
		assert_int_equal(moment__resolve(&moment, 7, &anchor), cases[i].ns);
	}
}

static void test_local_time(void **state)
{
	struct moment moment;

	setenv("TZ", "UTC-3", 1); /* three hours east */
	tzset();
	assert_int_equal(moment__parse("2023-11-15T01:13:20", &moment), 0);
	assert_int_equal(moment__resolve(&moment, 7, &anchor), 100 * NSEC_PER_SEC);
	setenv("TZ", "UTC", 1);
	tzset();
}

static void test_what_is_no_time(void **state)
{
	static const char *const texts[] = { "",
					     "-1",
					     "soon",
					     "2023-11-14",
					     "2023-11-14T",
					     "22:13",
					     "2023-11-14T22:13:20X",
					     "2023-13-14T22:13:20Z",
					     "2023-11-14T22:13:20Zjunk",
					     "1900-01-01T00:00:00Z",
					     "9999-12-31T00:00:00Z" };
	struct moment moment;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(moment__parse(texts[i], &moment), -EINVAL);
}

static void test_wall_clock_of_a_record(void **state)
{
	assert_int_equal(anchor__realtime_ns(&anchor, 99 * NSEC_PER_SEC),
			 1699999999 * NSEC_PER_SEC);
	assert_int_equal(anchor__realtime_ns(&anchor, UINT64_MAX), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times_after_the_start),
		cmocka_unit_test(test_times_of_day),
		cmocka_unit_test(test_local_time),
		cmocka_unit_test(test_what_is_no_time),
		cmocka_unit_test(test_wall_clock_of_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
