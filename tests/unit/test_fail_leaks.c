// SPDX-License-Identifier: BSD-2-Clause
/* heaptap fail: which blocks a run has left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/util.h"
#include "fail/live.h"

/* Undisturbed runs have allocated by these stacks. */
static void add_ways(struct fail_live *usual)
{
	for (uint64_t stack = 1; stack < 20; stack++)
		hmap__set(&usual->ways, stack, 1);
}

static void add_live(struct fail_live *live, uint64_t stack, uint64_t call, uint64_t blocks,
		     uint64_t bytes)
{
	struct fail_live_site site = { .stack_key = stack,
				       .way_key = stack,
				       .call_key = call,
				       .blocks = blocks,
				       .bytes = bytes };
	const uint64_t *before = hmap__find(&live->by_call, call);

	hmap__set(&live->by_call, call, blocks + (before ? *before : 0));
	fail_stack__add(&site.stack, "/prog", NULL, stack);
	fail_live__add(live, &site);
	live->nr_processes = 1;
}

static void test_leaks_are_what_is_more(void **state)
{
	struct fail_live usual = { 0 }, live = { 0 };
	struct fail_leaks leaks;

	add_ways(&usual);
	add_live(&usual, 1, 100, 2, 20);
	add_live(&usual, 2, 200, 1, 4096);
	add_live(&usual, 3, 300, 1, 8);
	add_live(&live, 1, 100, 5, 320);  /* three more */
	add_live(&live, 4, 200, 1, 4096); /* by another way */
	add_live(&live, 3, 300, 1, 800);  /* as many, though larger */
	add_live(&live, 5, 400, 1, 7);
	add_live(&live, 20, 500, 9, 9000); /* what only the error path allocates */
	leaks = fail_live__compare(&live, &usual, NULL, 0);
	assert_int_equal(leaks.blocks, 4);
	assert_int_equal(leaks.bytes, 307);
	assert_int_equal(leaks.nr, 2);
	assert_int_equal(leaks.worst[0].blocks, 3);
	assert_int_equal(leaks.worst[0].bytes, 300);
	assert_int_equal(leaks.worst[0].stack.frames[0].offset, 1);
	assert_int_equal(leaks.worst[1].bytes, 7);
	fail_leaks__clear(&leaks);
	/* Nothing can be said where something is not known. */
	live.incomplete = true;
	assert_int_equal(fail_live__compare(&live, &usual, NULL, 0).blocks, 0);
	live.incomplete = false;
	usual.nr_processes = 0;
	assert_int_equal(fail_live__compare(&live, &usual, NULL, 0).blocks, 0);
	fail_live__clear(&live);
	fail_live__clear(&usual);
}

/* A block that was to be replaced, by realloc or by what failed, and was not. */
static void test_what_is_not_replaced_is_no_leak(void **state)
{
	struct fail_live usual = { 0 }, live = { 0 };
	const uint64_t failed = 300;
	struct fail_leaks leaks;

	add_ways(&usual);
	add_live(&usual, 1, 100, 2, 200); /* by realloc */
	hmap__set(&usual.resizing, 100, 1);
	add_live(&usual, 3, 300, 1, 64); /* the larger table */
	add_live(&usual, 4, 400, 5, 50);
	add_live(&live, 11, 1100, 2, 20); /* as they were before the realloc */
	add_live(&live, 13, 1300, 1, 32); /* the smaller table */
	leaks = fail_live__compare(&live, &usual, &failed, 1);
	assert_int_equal(leaks.blocks, 0);
	/* Of others that are missing nothing has to be left. */
	leaks = fail_live__compare(&live, &usual, NULL, 0);
	assert_int_equal(leaks.blocks, 1);
	assert_int_equal(leaks.bytes, 32);
	fail_leaks__clear(&leaks);
	/* What is more than that is a leak: the largest. */
	add_live(&live, 14, 1400, 2, 4000);
	leaks = fail_live__compare(&live, &usual, &failed, 1);
	assert_int_equal(leaks.blocks, 2);
	assert_int_equal(leaks.bytes, 4000);
	assert_int_equal(leaks.nr, 1);
	fail_leaks__clear(&leaks);
	add_live(&live, 1, 100, 2, 200);
	leaks = fail_live__compare(&live, &usual, &failed, 1);
	assert_int_equal(leaks.blocks, 4);
	assert_int_equal(leaks.bytes, 4042);
	fail_leaks__clear(&leaks);
	fail_live__clear(&live);
	fail_live__clear(&usual);
}

static void test_the_process_with_most_counts(void **state)
{
	struct fail_live usual = { 0 }, live = { 0 };
	struct fail_leaks leaks;

	add_ways(&usual);
	add_live(&live, 1, 100, 2, 20);
	add_live(&live, 1, 100, 3, 90);
	add_live(&live, 1, 100, 1, 50);
	usual.nr_processes = 1;
	leaks = fail_live__compare(&live, &usual, NULL, 0);
	assert_int_equal(leaks.blocks, 3);
	assert_int_equal(leaks.bytes, 90);
	fail_leaks__clear(&leaks);
	fail_live__clear(&live);
	fail_live__clear(&usual);
}

static void test_the_worst_leaks_are_kept(void **state)
{
	struct fail_leaks leaks = { 0 };

	for (uint64_t i = 1; i <= 9; i++) {
		struct fail_leak leak = { .blocks = 1, .bytes = i * 7 % 10 };

		fail_stack__add(&leak.stack, "/prog", NULL, leak.bytes);
		fail_leaks__add(&leaks, &leak);
	}
	assert_int_equal(leaks.blocks, 9);
	assert_int_equal(leaks.bytes, 45);
	assert_int_equal(leaks.nr, FAIL_MAX_LEAKS);
	for (uint64_t i = 0; i < FAIL_MAX_LEAKS; i++) {
		assert_int_equal(leaks.worst[i].bytes, 9 - i);
		assert_int_equal(leaks.worst[i].stack.frames[0].offset, 9 - i);
	}
	fail_leaks__clear(&leaks);
}

static void write_file(const char *directory, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", directory, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	free(path);
}

static void test_snapshots_that_are_none(void **state)
{
	struct fail_live live = { 0 };
	char directory[] = "/tmp/heaptap-test-XXXXXX";
	const pid_t pids[] = { 17, 18 };
	char *pattern;

	assert_non_null(mkdtemp(directory));
	fail_live__read(&live, directory, pids, 2, NULL);
	assert_int_equal(live.nr_processes, 0);
	assert_false(live.incomplete);
	write_file(directory, "live.17", "HEAPTAP or so");
	write_file(directory, "live.17.1", "");
	fail_live__read(&live, directory, pids, 2, NULL);
	assert_true(live.incomplete);
	fail_live__remove(directory);
	live.incomplete = false;
	fail_live__read(&live, directory, pids, 2, NULL);
	assert_false(live.incomplete);
	pattern = fail_live__pattern("/x");
	assert_string_equal(pattern, "/x/live.%p");
	free(pattern);
	fail_live__clear(&live);
	/* Nothing is left in it. */
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaks_are_what_is_more),
		cmocka_unit_test(test_what_is_not_replaced_is_no_leak),
		cmocka_unit_test(test_the_process_with_most_counts),
		cmocka_unit_test(test_the_worst_leaks_are_kept),
		cmocka_unit_test(test_snapshots_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
