// SPDX-License-Identifier: BSD-2-Clause
/* The preload library's table of stacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "stacks.h"

#define MEMORY (256u << 10)

static void *memory;
static struct stacks stacks;
static __thread uint32_t near; /* of this thread's last stack */

static int set_up(void **state)
{
	memory = calloc(1, MEMORY);
	stacks__init(&stacks, memory, MEMORY);
	near = 0;
	return 0;
}

static int tear_down(void **state)
{
	free(memory);
	return 0;
}

static struct stack_entry *intern(uintptr_t first, unsigned nr, uint16_t flags)
{
	uintptr_t frames[127];
	bool is_new;

	for (unsigned i = 0; i < nr; i++)
		frames[i] = first + i;
	return stacks__intern(&stacks, frames, nr, flags, &near, &is_new);
}

static void test_exact(void **state)
{
	struct stack_entry *entry = intern(100, 5, 0);

	assert_non_null(entry);
	assert_ptr_equal(intern(100, 5, 0), entry);
	assert_ptr_not_equal(intern(100, 4, 0), entry);
	assert_ptr_not_equal(intern(100, 5, 1), entry);
	assert_ptr_not_equal(intern(101, 5, 0), entry);
	assert_int_equal(stacks.nr, 4);
	assert_int_equal(stacks__fresh_id(&stacks), 5);
}

/* Also where all hashes are alike it compares the frames themselves. */
static void test_collision(void **state)
{
	struct stack_entry *entry = intern(100, 5, 0), *other;

	entry->own[4]++;
	other = intern(100, 5, 0);
	assert_ptr_not_equal(other, entry);
	assert_int_not_equal(other->id, entry->id);
}

/* Outer frames that are another's: each stack is found again, and only as itself. */
static void test_outer(void **state)
{
	enum { NR = 500 };
	static uintptr_t frames[NR][40];
	struct stack_entry *found[NR];
	unsigned nr[NR];
	bool is_new;

	srand(7);
	for (unsigned i = 0; i < NR; i++) {
		unsigned kept = i ? (unsigned)rand() % nr[i - 1] : 0,
			 own = 1 + (unsigned)rand() % 9;

		if (kept + own > 40)
			kept = 40 - own;
		nr[i] = kept + own;
		for (unsigned n = 0; n < own; n++)
			frames[i][n] = 1000 + (uintptr_t)rand() % 4;
		if (i)
			memcpy(frames[i] + own, frames[i - 1] + nr[i - 1] - kept,
			       kept * sizeof(uintptr_t));
		found[i] = stacks__intern(&stacks, frames[i], nr[i], 0, &near, &is_new);
		assert_non_null(found[i]);
	}
	for (unsigned i = 0; i < NR; i++) {
		near = 0;
		assert_ptr_equal(stacks__intern(&stacks, frames[i], nr[i], 0, &near, &is_new),
				 found[i]);
		assert_false(is_new);
		for (unsigned n = 0; n < i; n++)
			assert_int_equal(found[n] == found[i],
					 nr[n] == nr[i] && !memcmp(frames[n], frames[i],
								   nr[i] * sizeof(uintptr_t)));
	}
}

/* The inner frames of a stack may be gone before another that has its outer ones is. */
static void test_unload_outer(void **state)
{
	uintptr_t a[] = { 10, 50, 60, 70 }, b[] = { 20, 21, 60, 70 }, c[] = { 30, 31, 32, 60, 70 };
	struct stack_entry *entries[3];
	bool is_new;

	entries[0] = stacks__intern(&stacks, a, 4, 0, &near, &is_new);
	entries[1] = stacks__intern(&stacks, b, 4, 0, &near, &is_new);
	entries[2] = stacks__intern(&stacks, c, 5, 0, &near, &is_new);
	assert_int_equal(entries[1]->nr_own, 2);
	assert_int_equal(entries[2]->nr_own, 3);
	stacks__unload(&stacks, 50, 55);
	assert_ptr_not_equal(stacks__intern(&stacks, a, 4, 0, &near, &is_new), entries[0]);
	assert_ptr_equal(stacks__intern(&stacks, b, 4, 0, &near, &is_new), entries[1]);
	assert_ptr_equal(stacks__intern(&stacks, c, 5, 0, &near, &is_new), entries[2]);
	stacks__unload(&stacks, 60, 65);
	assert_ptr_not_equal(stacks__intern(&stacks, b, 4, 0, &near, &is_new), entries[1]);
	assert_ptr_not_equal(stacks__intern(&stacks, c, 5, 0, &near, &is_new), entries[2]);
}

/* As a program has them: thousands that differ in what is inside of a deep middle. */
static void test_dense(void **state)
{
	uintptr_t frames[40];
	uint32_t nr = 0;
	bool is_new;

	for (unsigned i = 0; i < 40; i++)
		frames[i] = 5000 + i;
	do {
		frames[0] = 100000 + nr;
		frames[1] = 200000 + nr / 10;
	} while (stacks__intern(&stacks, frames, 40, 0, &near, &is_new) && is_new && nr++ < 100000);
	assert_in_range(nr, 4000, 8192);
}

static void test_full(void **state)
{
	uint32_t nr = 0;
	struct stack_entry *first = intern(0x1000, 127, 0);

	while (intern(0x10000 + nr * 1000, 127, 0) && nr < 100000)
		nr++;
	assert_in_range(nr, 100, MEMORY / (127 * sizeof(uintptr_t)));
	assert_ptr_equal(intern(0x1000, 127, 0), first);
	assert_int_equal(stacks.nr_unkept, 1);
}

static void test_sent(void **state)
{
	struct stack_entry *entry = intern(1, 1, 0);

	assert_false(stack_entry__is_sent(entry, 1));
	assert_true(stack_entry__claim(entry, 1));
	/* It is one's to send, and not sent for anybody before that one has. */
	assert_false(stack_entry__claim(entry, 1));
	assert_false(stack_entry__is_sent(entry, 1));
	stack_entry__settle(entry, 1, false);
	assert_true(stack_entry__claim(entry, 1));
	stack_entry__settle(entry, 1, true);
	assert_true(stack_entry__is_sent(entry, 1));
	assert_false(stack_entry__claim(entry, 1));
	/* Another stream knows nothing of it. */
	assert_false(stack_entry__is_sent(entry, 2));
	assert_true(stack_entry__claim(entry, 2));
}

static void test_unload(void **state)
{
	struct stack_entry *gone = intern(100, 5, 0), *stays = intern(200, 5, 0);

	stacks__unload(&stacks, 104, 150);
	assert_ptr_not_equal(intern(100, 5, 0), gone);
	assert_ptr_equal(intern(200, 5, 0), stays);
}

#define NR_THREADS 4u
#define NR_STACKS  400u

static void *intern_all(void *data)
{
	struct stack_entry **found = data;

	for (unsigned i = 0; i < NR_STACKS; i++)
		found[i] = intern(1000 * i, 1 + i % 20, 0);
	return NULL;
}

static void test_threads(void **state)
{
	static struct stack_entry *found[NR_THREADS][NR_STACKS];
	pthread_t threads[NR_THREADS];

	for (unsigned i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, intern_all, found[i]), 0);
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(stacks.nr, NR_STACKS);
	for (unsigned i = 0; i < NR_STACKS; i++) {
		assert_non_null(found[0][i]);
		for (unsigned n = 1; n < NR_THREADS; n++)
			assert_ptr_equal(found[n][i], found[0][i]);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_exact),	 TEST(test_collision), TEST(test_outer),
		TEST(test_unload_outer), TEST(test_dense),     TEST(test_full),
		TEST(test_sent),	 TEST(test_unload),    TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
