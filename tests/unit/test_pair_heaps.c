// SPDX-License-Identifier: BSD-2-Clause
/* Rows of allocations by process and address: what is taken back, inherited, and left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "cmd/pair_heaps.h"

static struct pair_heaps *heaps;

static int set_up(void **state)
{
	heaps = pair_heaps__new(10);
	return 0;
}

static int tear_down(void **state)
{
	pair_heaps__free(heaps);
	return 0;
}

/* Row number n is as long as n, and at 100 n. */
static void keep(uint32_t pid, uint64_t address, uint32_t number)
{
	static const char text[] = "0123456789012345678901234567890";

	pair_heaps__keep(heaps, pid, address, 100 * number, text, number);
}

/* "number:pid …" of what is left. */
static void expect_left(const char *want)
{
	char text[256] = "";
	size_t nr;
	const struct pair_row *rows = pair_heaps__left(heaps, &nr);

	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(rows[i].offset, 100 * rows[i].len);
		assert_memory_equal(pair_row__text(&rows[i]), "01234567890123",
				    min(rows[i].len, 14u));
		sprintf(text + strlen(text), "%s%u:%u", i ? " " : "", rows[i].len, rows[i].pid);
	}
	assert_string_equal(text, want);
}

static void test_what_is_not_taken_back_is_left_in_order(void **unused)
{
	for (uint32_t i = 1; i <= 5; i++)
		keep(1, i, i);
	assert_true(pair_heaps__take_back(heaps, 1, 2));
	assert_false(pair_heaps__take_back(heaps, 1, 2));
	assert_false(pair_heaps__take_back(heaps, 2, 1));
	assert_true(pair_heaps__take_back(heaps, 1, 4));
	keep(2, 1, 6);
	keep(2, 2, 7);
	keep(2, 3, 8);
	expect_left("1:0 3:0 5:0 6:0 7:0 8:0");
}

static void test_each_frees_its_own(void **unused)
{
	keep(1, 1, 1);
	keep(1, 2, 2);
	keep(1, 3, 3);
	assert_true(pair_heaps__fork(heaps, 1, 2, 0));
	assert_true(pair_heaps__take_back(heaps, 2, 1));
	assert_true(pair_heaps__take_back(heaps, 1, 2));
	keep(1, 4, 4);
	assert_false(pair_heaps__take_back(heaps, 2, 4));
	/* A child of the child. */
	assert_true(pair_heaps__fork(heaps, 2, 3, 0));
	assert_true(pair_heaps__take_back(heaps, 2, 3));
	expect_left("1:0 2:2 2:3 3:0 3:3 4:0");
}

static void test_exec_and_end(void **unused)
{
	keep(1, 1, 1);
	assert_true(pair_heaps__fork(heaps, 1, 2, 0));
	assert_true(pair_heaps__fork(heaps, 1, 3, 0));
	pair_heaps__end(heaps, 2, true);
	pair_heaps__end(heaps, 3, false);
	/* The same pid again. */
	assert_false(pair_heaps__take_back(heaps, 3, 1));
	assert_true(pair_heaps__fork(heaps, 1, 3, 0));
	pair_heaps__end(heaps, 1, true);
	assert_true(pair_heaps__fork(heaps, 3, 3, 0));
	expect_left("1:3 1:3");
}

static void test_no_more_than_so_many_copies_at_once(void **unused)
{
	for (uint32_t i = 1; i <= 6; i++)
		keep(1, i, i);
	assert_true(pair_heaps__fork(heaps, 1, 2, 0));
	assert_false(pair_heaps__fork(heaps, 1, 3, 0));
	assert_false(pair_heaps__take_back(heaps, 3, 1));
	pair_heaps__end(heaps, 2, true);
	assert_true(pair_heaps__fork(heaps, 1, 3, 0));
	pair_heaps__end(heaps, 1, true);
	expect_left("1:3 2:3 3:3 4:3 5:3 6:3");
}

static void test_copying_has_its_price(void **unused)
{
	unsigned nr = 0;

	for (uint32_t i = 1; i <= 10; i++)
		keep(1, i, i);
	while (nr < 1000 && pair_heaps__fork(heaps, 1, 2, 0)) {
		pair_heaps__end(heaps, 2, true);
		nr++;
	}
	assert_in_range(nr, 10, 100);
	/* Rows pay for more. */
	assert_true(pair_heaps__fork(heaps, 1, 2, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_not_taken_back_is_left_in_order,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_each_frees_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_exec_and_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_more_than_so_many_copies_at_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_copying_has_its_price, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
