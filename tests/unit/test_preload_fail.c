// SPDX-License-Identifier: BSD-2-Clause
/* Failure injection of the preload library: its rules, and the table of call paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "fail_known.h"
#include "fail_rules.h"

/* ---- rules ----------------------------------------------------------------------------------- */

static struct fail_rules parse(const char *text)
{
	struct fail_rules rules;

	assert_true(fail_rules__parse(&rules, text));
	assert_true(rules.given);
	return rules;
}

static void test_words(void **state)
{
	struct fail_rules rules = parse("path,persistent,nth=17,seed=7,count=3");

	assert_true(rules.path && rules.persistent);
	assert_int_equal(rules.nth, 17);
	assert_int_equal(rules.seed, 7);
	assert_int_equal(rules.count, 3);
	rules = parse("module=libfoo.so,function=foo_bar");
	assert_string_equal(rules.module, "libfoo.so");
	assert_string_equal(rules.function, "foo_bar");
	assert_false(rules.path || rules.persistent || rules.nth || rules.rate);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
	} cases[] = {
		{ "size>1M", (1 << 20) + 1, UINT64_MAX },
		{ "size<1K", 0, 1023 },
		{ "size=24", 24, 24 },
		{ "size>9,size<21", 10, 20 },
		{ "size=3G", 3ull << 30, 3ull << 30 },
		{ "path", 0, UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fail_rules rules = parse(cases[i].text);

		assert_true(fail_rules__fits(&rules, cases[i].min));
		assert_true(fail_rules__fits(&rules, cases[i].max));
		assert_false(cases[i].min && fail_rules__fits(&rules, cases[i].min - 1));
		assert_false(cases[i].max + 1 && fail_rules__fits(&rules, cases[i].max + 1));
	}
}

static void test_bad_rules(void **state)
{
	static const char *const bad[] = {
		"",
		",",
		"paths",
		"path,",
		"nth=",
		"nth=0",
		"nth=x",
		"rate=1",
		"rate=%",
		"rate=101%",
		"rate=0%",
		"rate=1.23456%",
		"rate=1.%",
		"size",
		"size>",
		"size<0",
		"size>1X",
		"size>1KB",
		"size1",
		"count=0",
		"count=1 ",
		"module=",
		"function=",
		"nth=4294967296",
		"path=1",
		"seed=-1",
		"rate=100.5%",
		"persistently",
		"size>99999999999999999999",
	};
	char longer[512] = "module=";
	struct fail_rules rules;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (fail_rules__parse(&rules, bad[i]))
			fail_msg("%s", bad[i]);
		assert_false(rules.given);
	}
	memset(longer + strlen(longer), 'x', sizeof(longer) - strlen(longer) - 1);
	assert_false(fail_rules__parse(&rules, longer));
}

static unsigned count_chosen(const char *text, unsigned nr)
{
	struct fail_rules rules = parse(text);
	unsigned chosen = 0;

	for (uint32_t i = 1; i <= nr; i++)
		chosen += fail_rules__chosen(&rules, i);
	return chosen;
}

static void test_rates(void **state)
{
	assert_int_equal(count_chosen("nth=17", 100), 1);
	assert_int_equal(count_chosen("nth=101", 100), 0);
	assert_int_equal(count_chosen("path", 100), 100);
	assert_int_equal(count_chosen("rate=100%", 10000), 10000);
	for (unsigned seed = 0; seed < 20; seed++) {
		char text[64];

		snprintf(text, sizeof(text), "rate=1%%,seed=%u", seed);
		/* Six standard deviations to either side. */
		assert_in_range(count_chosen(text, 100000), 1000 - 190, 1000 + 190);
		snprintf(text, sizeof(text), "rate=0.0100%%,seed=%u", seed);
		assert_in_range(count_chosen(text, 1000000), 100 - 60, 100 + 60);
	}
}

/* ---- call paths ------------------------------------------------------------------------------ */

static struct fail_known make_known(uint32_t bytes)
{
	struct fail_known known;

	fail_known__init(&known, calloc(1, bytes), bytes);
	return known;
}

static uint64_t nth_id(uint64_t n)
{
	return (n + 1) * 0x9e3779b97f4a7c15ull;
}

static void test_table(void **state)
{
	struct fail_known known = make_known(8 * 1024);
	unsigned added = 0;

	assert_false(fail_known__has(&known, 0));
	assert_true(fail_known__add(&known, 0));
	assert_true(fail_known__has(&known, 0));
	assert_false(fail_known__add(&known, 0));
	for (unsigned i = 0; i < 2000; i++) {
		bool has = fail_known__has(&known, nth_id(i)),
		     fresh = fail_known__add(&known, nth_id(i));

		assert_false(has);
		assert_int_equal(fresh, fail_known__has(&known, nth_id(i)));
		assert_false(fail_known__add(&known, nth_id(i)) && fresh);
		added += fresh;
	}
	assert_true(fail_known__is_full(&known));
	assert_in_range(added, 800, 1024);
	free(known.slots);
}

#define NR_THREADS 4
#define NR_IDS	   20000

static void *add_all(void *data)
{
	uintptr_t added = 0;

	for (unsigned i = 0; i < NR_IDS; i++)
		added += fail_known__add(data, nth_id(i));
	return (void *)added;
}

static void test_threads(void **state)
{
	struct fail_known known = make_known(8 << 16);
	pthread_t threads[NR_THREADS];
	uintptr_t added = 0;

	for (unsigned i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_all, &known), 0);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		void *one;

		pthread_join(threads[i], &one);
		added += (uintptr_t)one;
	}
	/* Each once; who meets one that is being written takes it for known. */
	assert_int_equal(added, NR_IDS);
	free(known.slots);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_file(void **state)
{
	char path[] = "/tmp/heaptap-test-known-XXXXXX";
	struct fail_known known = make_known(8 * 4096);
	char line[18];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_file(path, "0123456789abcdef\n\nnothing of the kind\n0123456789abcde\n"
			 "0123456789ABCDEF\n00000000000000010\nfedcba9876543210");
	fail_known__read(&known, path);
	assert_int_equal(known.nr, 2);
	assert_true(fail_known__has(&known, 0x0123456789abcdefull));
	assert_true(fail_known__has(&known, 0xfedcba9876543210ull));
	write_file(path, "");
	fail_known__read(&known, path);
	for (uint64_t i = 0; i < 1000; i++) {
		fail_known__hex(line, nth_id(i));
		line[16] = '\n';
		assert_int_equal(fail_known__append(path, line, 17), 0);
		if (i % 100 == 0)
			fail_known__read(&known, path);
	}
	fail_known__read(&known, path);
	assert_int_equal(known.nr, 1002);
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(fail_known__has(&known, nth_id(i)));
	assert_true(fail_known__append("/nonexistent/x", line, 17) < 0);
	fail_known__read(&known, "/nonexistent/x");
	unlink(path);
	free(known.slots);
}

/* ---- mallocfail's variables ------------------------------------------------------------------ */

static struct config read_config(const char *first, const char *second)
{
	const char *environment[] = { first, second, NULL };
	struct config config;

	config__read(&config, (char *const *)(uintptr_t)environment);
	return config;
}

static void test_mallocfail(void **state)
{
	struct config config = read_config("MALLOCFAIL_DEBUG=0", NULL);
	char here[CONFIG_MAX_PATH + 32];

	assert_non_null(getcwd(here, CONFIG_MAX_PATH));
	strcat(here, "/mallocfail_hashes");
	assert_true(config.fail.given && config.fail.path && config.fail_debug);
	assert_string_equal(config.fail_known, here);
	config = read_config("MALLOCFAIL_FAIL_COUNT=12x", "MALLOCFAIL_FILE=/h");
	assert_int_equal(config.fail.count, 12);
	assert_string_equal(config.fail_known, "/h");
	assert_false(config.fail_debug);
	assert_int_equal(read_config("MALLOCFAIL_FAIL_COUNT=-3", NULL).fail.count, 0);
	assert_int_equal(read_config("MALLOCFAIL_FAIL_COUNT=", NULL).fail.count, 0);
	config = read_config("MALLOCFAIL_IGNORE=a;b", "HEAPTAP_FAIL=nth=3");
	assert_true(config.fail.nth == 3 && !config.fail.path);
	assert_string_equal(config.fail_ignore, "a;b");
	config = read_config("HEAPTAP_FAIL=path", NULL);
	assert_string_equal(config.fail_known, "");
	assert_false(read_config("HOME=/", NULL).fail.given);
	assert_string_equal(read_config("HEAPTAP_FAIL=often", NULL).bad, "HEAPTAP_FAIL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	  cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_bad_rules), cmocka_unit_test(test_rates),
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_threads),
		cmocka_unit_test(test_file),	  cmocka_unit_test(test_mallocfail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
