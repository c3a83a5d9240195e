// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "observed.h"
#include "report/misuse.h"
#include "report/pairing.h"

/* Of alloc_api.h. */
#define CALLOC	     2
#define MEMALIGN     8
#define OTHER_FREE   68
#define NEW	     96
#define NEW_ARRAY    97
#define NEW_ALIGNED  100
#define DELETE	     104
#define DELETE_ARRAY 105
#define DELETE_SIZED 106
#define JE_MALLOC    128
#define JE_FREE	     132
#define MMAP	     640
#define MUNMAP	     642

static struct misuse *misuse;

static int set_up(void **state)
{
	begin_model();
	misuse = misuse__new(model);
	put_target(10, "/bin/a", "a", WIRE_TARGET_LAUNCHED);
	return 0;
}

static int tear_down(void **state)
{
	misuse__free(misuse);
	model__free(model);
	return 0;
}

static struct misuse_process misuse_of(uint32_t pid)
{
	return misuse__of(misuse, process_of(pid));
}

static uint64_t count_of(uint32_t pid, enum misuse_kind kind)
{
	return misuse_of(pid).lists[kind].sum.blocks;
}

static void double_frees(void **state)
{
	struct misuse_process all;
	const struct misuse_site *site;

	put_stack(10, 7, 0x5010);
	put_alloc_by(10, 0x1000, 5, 7, CALLOC);
	thread = 21;
	put_free(10, 0x1000);
	thread = 22;
	put_free(10, 0x1000);
	put_free(10, 0x1000);
	/* Given out again, freed: no error. Then one. */
	put_alloc(10, 0x1000, 6, 0);
	put_free(10, 0x1000);
	put_realloc(10, 0x1000, 0x2000, 10, 0);
	all = misuse_of(10);
	assert_int_equal(all.nr_errors, 3);
	assert_int_equal(all.lists[MISUSE_INVALID_FREE].sum.blocks, 0);
	assert_int_equal(all.lists[MISUSE_DOUBLE_FREE].nr_sites, 2);
	site = &all.lists[MISUSE_DOUBLE_FREE].sites[0];
	assert_int_equal(site->sum.blocks, 2);
	assert_int_equal(site->func, CALLOC);
	assert_int_equal(site->func_before, FREE);
	assert_int_equal(site->tid, 22);
	assert_int_equal(site->tid_before, 21);
	assert_int_equal(site->time_before_ns, 1002);
	assert_int_equal(site->stack, stacks__index(model->stacks, 7));
	assert_int_equal(all.lists[MISUSE_DOUBLE_FREE].sites[1].free_func, REALLOC);
}

static void a_stale_address_after_realloc(void **state)
{
	put_alloc(10, 0x1000, 5, 0);
	put_realloc(10, 0x1000, 0x2000, 10, 0);
	put_free(10, 0x1000);
	assert_int_equal(count_of(10, MISUSE_DOUBLE_FREE), 1);
	/* In place and failed ones leave it where it is. */
	put_realloc(10, 0x2000, 0x2000, 20, 0);
	put_realloc(10, 0x2000, 0, 1ull << 50, 0);
	put_free(10, 0x2000);
	assert_int_equal(misuse_of(10).nr_errors, 1);
	assert_int_equal(count_of(10, MISUSE_FAILED), 1);
	assert_int_equal(misuse_of(10).lists[MISUSE_FAILED].sum.bytes, 1ull << 50);
}

static void invalid_frees_only_where_all_was_seen(void **state)
{
	put_target(11, "/bin/b", "b", 0);
	put_free(10, 0x5000);
	put_free(11, 0x5000);
	put_free(11, 0x5000);
	assert_int_equal(count_of(10, MISUSE_INVALID_FREE), 1);
	assert_int_equal(misuse_of(10).nr_errors, 1);
	assert_int_equal(misuse_of(11).nr_errors, 0);
	assert_int_equal(misuse_of(11).nr_older, 2);
	/* What is seen of an attached process is sure. */
	put_alloc(11, 0x6000, 1, 0);
	put_free(11, 0x6000);
	put_free(11, 0x6000);
	assert_int_equal(misuse_of(11).nr_errors, 1);
}

static void after_a_loss_nothing_is_sure(void **state)
{
	struct misuse_process all;

	put_free(10, 0x5000);
	put_lost(3);
	put_free(10, 0x5000);
	put_alloc(10, 0x6000, 1, 0);
	put_free(10, 0x6000);
	put_free(10, 0x6000);
	all = misuse_of(10);
	assert_int_equal(all.nr_errors, 1);
	assert_int_equal(all.lists[MISUSE_INVALID_FREE].sum.blocks, 2);
	assert_int_equal(all.lists[MISUSE_INVALID_FREE].nr_unsure, 1);
	assert_int_equal(all.lists[MISUSE_DOUBLE_FREE].nr_unsure, 1);
}

static void programs_have_their_own_frees(void **state)
{
	put_alloc(10, 0x1000, 5, 0);
	put_free(10, 0x1000);
	/* It begins with nothing, but who forks is not another program. */
	put_fork(10, 11, 0);
	put_exec(10);
	put_free(10, 0x1000);
	assert_int_equal(count_of(10, MISUSE_DOUBLE_FREE), 0);
	assert_int_equal(count_of(10, MISUSE_INVALID_FREE), 1);
	/* It may have been allocated before the child was watched. */
	put_free(11, 0x1000);
	assert_int_equal(count_of(11, MISUSE_INVALID_FREE), 1);
	assert_int_equal(misuse_of(11).nr_errors, 0);
}

/* A block of one function, freed by another. */
static void go_together(uint16_t func, uint16_t free_func)
{
	put_alloc_by(10, 0x1000, 5, 0, func);
	put_free_by(10, 0x1000, free_func);
}

static void mismatches(void **state)
{
	static const uint16_t wrong[][2] = {
		{ NEW, FREE },
		{ MALLOC, DELETE },
		{ NEW_ARRAY, DELETE },
		{ NEW, DELETE_ARRAY },
		{ NEW, REALLOC },
		{ JE_MALLOC, FREE },
		{ MALLOC, JE_FREE },
		{ MMAP, FREE },
		{ MALLOC, MUNMAP },
		{ NEW_ALIGNED, FREE },
		{ 1024, FREE },
		{ MALLOC, 1025 },
		{ MALLOC, DELETE_SIZED },
		{ 1024, DELETE },
	};
	static const uint16_t right[][2] = {
		{ MALLOC, FREE },
		{ CALLOC, REALLOC },
		{ MEMALIGN, FREE },
		{ NEW, DELETE },
		{ NEW_ARRAY, DELETE_ARRAY },
		{ NEW, DELETE_SIZED },
		{ NEW_ALIGNED, DELETE },
		{ JE_MALLOC, JE_FREE },
		{ MMAP, MUNMAP },
		{ 1024, 1025 },
		{ MALLOC, OTHER_FREE },
		{ 1024, MUNMAP },
		{ 900, FREE },
		{ MALLOC, 900 },
	};

	put_function(1024, "pool", "pool_get");
	put_function(1025, "pool", "pool_put");
	for (size_t i = 0; i < ARRAY_SIZE(right); i++)
		go_together(right[i][0], right[i][1]);
	assert_int_equal(count_of(10, MISUSE_MISMATCH), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		go_together(wrong[i][0], wrong[i][1]);
		assert_int_equal(count_of(10, MISUSE_MISMATCH), i + 1);
	}
	assert_int_equal(misuse_of(10).nr_errors, ARRAY_SIZE(wrong));
}

/* Programs that replace some operators only, and allocators with one function for several. */
static void pairs_that_were_not_seen_are_not_blamed(void **state)
{
	go_together(NEW, FREE);
	go_together(MALLOC, DELETE);
	go_together(NEW, DELETE_ARRAY);
	go_together(JE_MALLOC, FREE);
	assert_int_equal(misuse_of(10).nr_errors, 2); /* the first two prove each other's pair */
	go_together(JE_MALLOC, JE_FREE);
	assert_int_equal(misuse_of(10).nr_errors, 3);
	go_together(NEW_ARRAY, DELETE_ARRAY);
	assert_int_equal(misuse_of(10).nr_errors, 4);
	/* A child knows what its parent called; another program does not. */
	put_fork(10, 11, 0);
	put_alloc_by(11, 0x1000, 5, 0, NEW);
	put_free(11, 0x1000);
	assert_int_equal(misuse_of(11).nr_errors, 1);
	put_exec(11);
	put_alloc_by(11, 0x1000, 5, 0, NEW);
	put_free(11, 0x1000);
	assert_int_equal(misuse_of(11).nr_errors, 0);
}

static void unmapping_is_free(void **state)
{
	put_free_by(10, 0x5000, MUNMAP);
	put_alloc_by(10, 0x6000, 4096, 0, MMAP);
	put_free_by(10, 0x6000, MUNMAP);
	put_free_by(10, 0x6000, MUNMAP);
	assert_int_equal(misuse_of(10).nr_errors, 0);
}

static void reallocs_add_up(void **state)
{
	const struct misuse_site *site;
	struct misuse_process all;

	put_stack(10, 7, 0x5010);
	put_alloc(10, 0x1000, 10, 7);
	for (unsigned i = 1; i <= 20; i++)
		put_realloc(10, i % 2 ? 0x1000 : 0x2000, i % 2 ? 0x2000 : 0x1000, 10 + i, 0);
	put_realloc(10, 0x1000, 0x1000, 10, 0);
	put_realloc(10, 0x1000, 0, 0, 0);
	/* Another block at the same address is another story. */
	put_alloc(10, 0x1000, 100, 7);
	put_realloc(10, 0x1000, 0x3000, 50, 0);
	put_free(10, 0x3000);
	all = misuse_of(10);
	assert_int_equal(all.lists[MISUSE_REALLOC].nr_sites, 1);
	site = &all.lists[MISUSE_REALLOC].sites[0];
	assert_int_equal(site->sum.blocks, 22);
	assert_int_equal(site->nr_moved, 21);
	assert_int_equal(site->max_chain, 21);
	/* 10 + 11 + … + 29, and 50. */
	assert_int_equal(site->copied_bytes, 390 + 50);
	assert_int_equal(site->grown_bytes, 20);
	assert_int_equal(site->stack, stacks__index(model->stacks, 7));
}

static void notes(void **state)
{
	struct misuse_process all;

	thread = 21;
	put_alloc(10, 0x1000, 0, 0);
	put_alloc(10, 0x2000, 30, 0);
	thread = 22;
	put_free(10, 0x2000);
	put_free(10, 0x1000);
	put_alloc(10, 0x3000, 8, 0);
	put_free(10, 0x3000);
	all = misuse_of(10);
	assert_int_equal(all.nr_errors, 0);
	assert_int_equal(all.lists[MISUSE_ZERO_SIZE].sum.blocks, 1);
	assert_int_equal(all.lists[MISUSE_FOREIGN_FREE].sum.blocks, 2);
	assert_int_equal(all.lists[MISUSE_FOREIGN_FREE].sum.bytes, 30);
	assert_int_equal(all.lists[MISUSE_FOREIGN_FREE].sites[0].tid_before, 21);
}

static void what_is_filtered_is_no_error(void **state)
{
	model->filter.min_bytes = 10;
	for (uint64_t bytes = 9; bytes <= 10; bytes++) {
		put_alloc(10, 0x1000 * bytes, bytes, 0);
		put_free(10, 0x1000 * bytes);
		put_free(10, 0x1000 * bytes);
	}
	assert_int_equal(misuse_of(10).nr_errors, 1);
	assert_int_equal(count_of(10, MISUSE_DOUBLE_FREE), 1);
}

/* More places than are told apart: errors still find room. */
static void sites_are_bounded(void **state)
{
	struct misuse_process all;
	const unsigned nr = MISUSE_MAX_SITES;

	put_module(10, 0, "/bin/a", 0);
	put_mapping(10, 0, 0x10000000);
	for (unsigned i = 1; i <= nr; i++) {
		put_stack(10, i, 0x20000000 + i * 8);
		put_alloc(10, 0x1000, 0, i);
		put_free(10, 0x1000);
	}
	put_free(10, 0x1000);
	all = misuse_of(10);
	assert_int_equal(all.lists[MISUSE_ZERO_SIZE].nr_sites, nr / 2);
	assert_int_equal(all.lists[MISUSE_ZERO_SIZE].nr_elsewhere, nr / 2);
	assert_int_equal(all.lists[MISUSE_ZERO_SIZE].sum.blocks, nr);
	assert_int_equal(all.nr_errors, 1);
	put_exec(10);
	assert_int_equal(misuse_of(10).lists[MISUSE_ZERO_SIZE].nr_sites, 0);
	put_alloc(10, 0x1000, 0, 1);
	assert_int_equal(misuse_of(10).lists[MISUSE_ZERO_SIZE].nr_sites, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(double_frees),
		TEST(a_stale_address_after_realloc),
		TEST(invalid_frees_only_where_all_was_seen),
		TEST(after_a_loss_nothing_is_sure),
		TEST(programs_have_their_own_frees),
		TEST(mismatches),
		TEST(pairs_that_were_not_seen_are_not_blamed),
		TEST(unmapping_is_free),
		TEST(reallocs_add_up),
		TEST(notes),
		TEST(what_is_filtered_is_no_error),
		TEST(sites_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
