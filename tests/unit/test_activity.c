// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "heap/threads.h"
#include "observed.h"
#include "report/activity.h"

static struct activity *activity;

static int set_up(void **state)
{
	begin_model();
	activity = activity__new(model);
	return 0;
}

static int tear_down(void **state)
{
	activity__free(activity);
	model__free(model);
	return 0;
}

static struct activity_process threads_of(uint32_t pid)
{
	return activity__of(activity, process_of(pid));
}

static const struct activity_thread *find(const struct activity_process *all, uint32_t tid)
{
	for (size_t i = 0; i < all->nr_threads; i++)
		if (all->threads[i].tid == tid)
			return &all->threads[i];
	fail_msg("there is no thread %u", tid);
	return NULL;
}

static void threads_are_told_apart(void **state)
{
	struct activity_process all;
	const struct activity_thread *one, *two;

	assert_int_equal(activity__of(activity, model__first(model)).nr_threads, 0);
	put_target(10, "/bin/a", "a", 0);
	thread = 21;
	put_alloc(10, 0x1000, 100, 0);
	put_alloc(10, 0x2000, 10, 0);
	put_free(10, 0x2000);
	thread = 22;
	put_alloc(10, 0x3000, 500, 0);
	put_free(10, 0x1000);
	put_alloc(10, 0, 1000, 0);
	all = threads_of(10);
	assert_int_equal(all.nr_threads, 2);
	assert_int_equal(all.threads[0].tid, 22);
	one = find(&all, 21);
	two = find(&all, 22);
	assert_int_equal(one->total.bytes, 110);
	assert_int_equal(one->live.blocks, 0);
	assert_int_equal(one->temporary.blocks, 1);
	assert_int_equal(one->freed.blocks, 1);
	assert_int_equal(one->by_others.bytes, 100);
	assert_int_equal(one->of_others.blocks, 0);
	assert_int_equal(one->first_ns, 1001);
	assert_int_equal(one->last_ns, 1003);
	assert_int_equal(two->of_others.bytes, 100);
	assert_int_equal(two->live.bytes, 500);
	assert_int_equal(two->nr_failed, 1);
	assert_int_equal(two->last_ns, 1006);
	assert_int_equal(all.sum.total.bytes, 610);
	assert_int_equal(all.sum.freed.blocks, 2);
}

static void children_keep_who_allocated(void **state)
{
	struct activity_process all;

	put_target(10, "/bin/a", "a", 0);
	thread = 21;
	put_alloc(10, 0x1000, 100, 0);
	put_fork(10, 11, 0);
	thread = 0;
	put_free(11, 0x1000);
	all = threads_of(11);
	assert_int_equal(all.nr_threads, 2);
	assert_int_equal(find(&all, 21)->total.blocks, 0);
	assert_int_equal(find(&all, 21)->live.blocks, 0);
	assert_int_equal(find(&all, 21)->first_ns, 0);
	assert_int_equal(find(&all, 11)->of_others.blocks, 1);
	all = threads_of(10);
	assert_int_equal(find(&all, 21)->live.blocks, 1);
}

static void a_filter_chooses_by_the_block(void **state)
{
	struct activity_process all;

	model->filter.tid = 21;
	put_target(10, "/bin/a", "a", 0);
	thread = 21;
	put_alloc(10, 0x1000, 100, 0);
	thread = 22;
	put_alloc(10, 0x2000, 100, 0);
	put_free(10, 0x1000);
	put_free(10, 0x2000);
	all = threads_of(10);
	assert_int_equal(all.sum.total.blocks, 1);
	assert_int_equal(find(&all, 22)->freed.blocks, 1);
	assert_int_equal(find(&all, 22)->total.blocks, 0);
}

/* Those beyond what heap/threads.h tells apart share a row, and no figure goes wrong. */
static void threads_are_bounded(void **state)
{
	struct activity_process all;
	const unsigned nr = THREADS_MAX + 100;

	put_target(10, "/bin/a", "a", 0);
	for (unsigned i = 0; i < nr; i++) {
		thread = 1000 + i;
		put_alloc(10, 0x1000 + i * 16, 1, 0);
	}
	/* One that has a row, and its blocks do not know it any more. */
	thread = 1000;
	for (unsigned i = 0; i < nr; i++)
		put_free(10, 0x1000 + i * 16);
	all = threads_of(10);
	assert_int_equal(all.nr_threads, THREADS_MAX);
	assert_int_equal(all.sum.total.blocks, nr);
	assert_int_equal(all.sum.freed.blocks, nr);
	assert_int_equal(all.sum.live.blocks, 0);
	assert_int_equal(find(&all, 0)->total.blocks, nr - THREADS_OTHER);
	for (size_t i = 0; i < all.nr_threads; i++)
		assert_int_equal(all.threads[i].live.blocks, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(threads_are_told_apart),
		TEST(children_keep_who_allocated),
		TEST(a_filter_chooses_by_the_block),
		TEST(threads_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
