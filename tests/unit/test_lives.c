// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "observed.h"
#include "report/lives.h"

#define ADDRESS 0x1010

static struct lives *lives;

static int set_up(void **state)
{
	begin_model();
	lives = lives__new(model, ADDRESS);
	put_target(10, "/bin/a", "a", 0);
	return 0;
}

static int tear_down(void **state)
{
	lives__free(lives);
	model__free(model);
	return 0;
}

static struct lives_process lives_of(uint32_t pid)
{
	return lives__of(lives, process_of(pid));
}

static void blocks_that_contain_it(void **state)
{
	struct lives_process all;

	put_alloc(10, 0x1000, 16, 0); /* ends where the address begins */
	put_free(10, 0x1000);
	thread = 21;
	put_alloc(10, 0x1000, 17, 0);
	thread = 22;
	put_free(10, 0x1000);
	put_alloc(10, ADDRESS, 0, 0);
	put_free(10, ADDRESS);
	put_alloc(10, 0x1011, 100, 0);
	put_alloc(10, 0x500, UINT64_MAX, 0); /* to the end of memory, and further */
	all = lives_of(10);
	assert_int_equal(all.nr_lives, 3);
	assert_int_equal(all.nr_hidden, 0);
	assert_int_equal(all.lives[0].kind, LIFE_FREED);
	assert_int_equal(all.lives[0].bytes, 17);
	assert_int_equal(all.lives[0].born_tid, 21);
	assert_int_equal(all.lives[0].died_tid, 22);
	assert_int_equal(all.lives[0].died_func, FREE);
	assert_int_equal(all.lives[0].died_ns, all.lives[0].born_ns + 1);
	assert_int_equal(all.lives[1].bytes, 0);
	assert_int_equal(all.lives[2].kind, LIFE_LIVE);
	assert_int_equal(all.nr_blocks, 3);
}

static void reallocs_are_a_chain(void **state)
{
	struct lives_process all;

	put_alloc(10, 0x500, 8, 0);
	put_realloc(10, 0x500, ADDRESS, 20, 0);	   /* here */
	put_realloc(10, ADDRESS, ADDRESS, 40, 0);  /* in place */
	put_realloc(10, ADDRESS, 0, 1000, 0);	   /* fails */
	put_realloc(10, ADDRESS, 0x9000, 1000, 0); /* away */
	put_alloc(10, ADDRESS, 5, 0);
	put_realloc(10, ADDRESS, 0, 0, 0); /* frees */
	put_alloc(10, 0x8000, 5, 0);
	all = lives_of(10);
	assert_int_equal(all.nr_lives, 3);
	assert_int_equal(all.lives[0].old_addr, 0x500);
	assert_int_equal(all.lives[0].old_bytes, 8);
	assert_int_equal(all.lives[0].kind, LIFE_MOVED);
	assert_int_equal(all.lives[0].new_addr, ADDRESS);
	assert_int_equal(all.lives[0].new_bytes, 40);
	assert_true(all.lives[1].was_moved);
	assert_int_equal(all.lives[1].old_bytes, 20);
	assert_int_equal(all.lives[1].new_addr, 0x9000);
	assert_false(all.lives[2].was_moved);
	assert_int_equal(all.lives[2].kind, LIFE_FREED);
	assert_int_equal(all.lives[2].new_addr, 0);
}

static void frees_of_nothing_are_told(void **state)
{
	struct lives_process all;

	put_free(10, ADDRESS);
	put_free(10, ADDRESS + 16);
	put_alloc(10, ADDRESS, 5, 0);
	put_alloc(10, ADDRESS, 6, 0); /* its free was not seen */
	put_free(10, ADDRESS);
	put_free(10, ADDRESS);
	all = lives_of(10);
	assert_int_equal(all.nr_lives, 4);
	assert_int_equal(all.nr_nothing, 2);
	assert_int_equal(all.lives[0].kind, LIFE_NOTHING);
	assert_int_equal(all.lives[1].kind, LIFE_REPLACED);
	assert_int_equal(all.lives[2].kind, LIFE_FREED);
	assert_int_equal(all.lives[3].kind, LIFE_NOTHING);
	assert_int_equal(all.lives[3].died_ns, now_ns);
}

static void the_middle_is_left_out(void **state)
{
	struct lives_process all;

	for (unsigned i = 0; i < 5000; i++) {
		put_alloc(10, ADDRESS, 1 + i, 0);
		put_free(10, ADDRESS);
	}
	all = lives_of(10);
	assert_int_equal(all.nr_lives, 2 * LIVES_MAX);
	assert_int_equal(all.nr_first, LIVES_MAX);
	assert_int_equal(all.nr_hidden, 3000);
	for (unsigned i = 0; i < LIVES_MAX; i++) {
		assert_int_equal(all.lives[i].bytes, 1 + i);
		assert_int_equal(all.lives[LIVES_MAX + i].bytes, 1 + 4000 + i);
		assert_int_equal(all.lives[LIVES_MAX + i].kind, LIFE_FREED);
	}
}

/* One that lives on while thousands come within it: a mapping, and what an allocator makes of it.
 */
static void what_is_left_out_may_die(void **state)
{
	struct lives_process all;

	for (unsigned i = 0; i < LIVES_MAX; i++)
		put_free(10, ADDRESS);
	put_alloc(10, 0x1000, 0x1000, 0);
	for (unsigned i = 0; i < 2 * LIVES_MAX; i++)
		put_free(10, ADDRESS);
	put_free(10, 0x1000);
	all = lives_of(10);
	assert_int_equal(all.nr_blocks, 1);
	assert_int_equal(all.nr_nothing, 3 * LIVES_MAX);
	assert_int_equal(all.nr_hidden, 1 + LIVES_MAX);
	for (size_t i = 0; i < all.nr_lives; i++)
		assert_int_equal(all.lives[i].kind, LIFE_NOTHING);
}

static void neighbours_and_children(void **state)
{
	struct lives_process all;

	put_alloc(10, 0x800, 16, 0);
	put_alloc(10, 0x900, 16, 0);
	put_alloc(10, ADDRESS, 16, 0);
	put_alloc(10, 0x2000, 16, 0);
	put_alloc(10, 0x3000, 16, 0);
	put_fork(10, 11, 0);
	put_free(11, ADDRESS);
	put_free(11, 0x2000);
	put_end(11, WIRE_END_EXITED, 0);
	all = lives_of(11);
	assert_int_equal(all.nr_lives, 1);
	assert_true(all.lives[0].inherited);
	assert_int_equal(all.lives[0].kind, LIFE_FREED);
	assert_int_equal(all.before.block.addr, 0x900);
	assert_int_equal(all.after.block.addr, 0x3000);
	all = lives_of(10);
	assert_int_equal(all.lives[0].kind, LIFE_LIVE);
	assert_int_equal(all.after.block.addr, 0x2000);
	put_exec(10);
	all = lives_of(10);
	assert_int_equal(all.nr_lives, 0);
	assert_int_equal(all.before.block.addr, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(blocks_that_contain_it),	 TEST(reallocs_are_a_chain),
		TEST(frees_of_nothing_are_told), TEST(the_middle_is_left_out),
		TEST(what_is_left_out_may_die),	 TEST(neighbours_and_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
