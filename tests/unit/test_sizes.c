// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/util.h"
#include "observed.h"
#include "report/sizes.h"

static struct sizes *sizes;

static int set_up(void **state)
{
	begin_model();
	sizes = sizes__new(model);
	return 0;
}

static int tear_down(void **state)
{
	sizes__free(sizes);
	model__free(model);
	return 0;
}

static struct sizes_process sizes_of(uint32_t pid)
{
	return sizes__of(sizes, process_of(pid));
}

static void rows_follow_each_other(void **state)
{
	assert_int_equal(sizes__row(0), 0);
	assert_int_equal(sizes__row(16), sizes__row(19));
	assert_int_not_equal(sizes__row(19), sizes__row(20));
	assert_int_equal(sizes__row(1024), sizes__row(1279));
	assert_int_equal(sizes__row(UINT64_MAX), SIZES_NR_ROWS - 1);
	assert_int_equal(sizes__row_begin(0), 0);
	for (unsigned row = 1; row < SIZES_NR_ROWS; row++) {
		uint64_t begin = sizes__row_begin(row);

		assert_true(begin > sizes__row_begin(row - 1));
		assert_int_equal(sizes__row(begin), row);
		assert_int_equal(sizes__row(begin - 1), row - 1);
	}
}

static void each_size_is_in_its_row(void **state)
{
	struct sizes_process all;

	assert_int_equal(sizes__of(sizes, model__first(model)).nr_rows, 0);
	put_target(10, "/bin/a", "a", 0);
	put_alloc(10, 0x1000, 0, 0);
	put_alloc(10, 0x2000, 17, 0);
	put_free(10, 0x2000);
	put_alloc(10, 0x3000, 19, 0);
	put_alloc(10, 0x4000, 5000, 0);
	put_free(10, 0x3000);
	put_realloc(10, 0x4000, 0x5000, 17, 0);
	all = sizes_of(10);
	assert_int_equal(all.nr_rows, 3);
	assert_int_equal(all.rows[0].to_bytes, 0);
	assert_int_equal(all.rows[0].live.blocks, 1);
	assert_int_equal(all.rows[1].from_bytes, 16);
	assert_int_equal(all.rows[1].to_bytes, 19);
	assert_int_equal(all.rows[1].total.blocks, 3);
	assert_int_equal(all.rows[1].total.bytes, 53);
	assert_int_equal(all.rows[1].live.bytes, 17);
	assert_int_equal(all.rows[1].temporary.blocks, 1);
	assert_int_equal(all.rows[2].live.blocks, 0);
	assert_int_equal(all.sum.total.blocks, 5);
	assert_int_equal(all.sum.live.blocks, 2);
	assert_int_equal(all.nr_missed, 0);
	assert_int_equal(all.nr_exact, 4);
	assert_int_equal(all.exact[0].bytes, 17);
	assert_int_equal(all.exact[0].nr, 2);
	assert_int_equal(all.exact[1].bytes, 0);
}

/* More sizes than can be counted, a few of them often. */
static void frequent_sizes_are_found(void **state)
{
	struct sizes_process all;
	uint64_t addr = 0x10000, nr_often[3] = { 0 };

	put_target(10, "/bin/a", "a", 0);
	srand(1);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned often = (unsigned)rand() % 10;
		uint64_t bytes = often < 3 ? often : 100 + (uint64_t)rand() % 50000;

		if (often < 3)
			nr_often[often]++;
		put_alloc(10, addr, bytes, 0);
		put_free(10, addr);
	}
	all = sizes_of(10);
	assert_true(all.nr_exact <= SIZES_MAX_EXACT);
	assert_true(all.nr_missed > 0);
	assert_true(all.nr_missed <= 100000 / SIZES_MAX_EXACT);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(all.exact[i].bytes < 3);
		assert_true(all.exact[i].nr <= nr_often[all.exact[i].bytes]);
		assert_true(all.exact[i].nr + all.nr_missed >= nr_often[all.exact[i].bytes]);
	}
}

static void children_and_filters(void **state)
{
	model->filter.max_bytes = 100;
	put_target(10, "/bin/a", "a", 0);
	put_alloc(10, 0x1000, 100, 0);
	put_alloc(10, 0x2000, 101, 0);
	put_fork(10, 11, 0);
	put_free(11, 0x1000);
	put_free(11, 0x2000);
	assert_int_equal(sizes_of(10).sum.live.blocks, 1);
	assert_int_equal(sizes_of(11).sum.total.blocks, 1);
	assert_int_equal(sizes_of(11).sum.live.blocks, 0);
	put_exec(11);
	assert_int_equal(sizes_of(11).nr_rows, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(rows_follow_each_other),
		TEST(each_size_is_in_its_row),
		TEST(frequent_sizes_are_found),
		TEST(children_and_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
