// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "heap/stacks.h"

static const uint32_t frames[] = { 7, 8, 9, 10 };

static void check_stack(const struct stacks *stacks, uint32_t index, const uint32_t *expected,
			uint32_t nr, bool cut)
{
	struct stack stack = stacks__get(stacks, index);

	assert_int_equal(stack.nr_frames, nr);
	assert_int_equal(stack.cut, cut);
	assert_memory_equal(stack.frames, expected, nr * sizeof(*expected));
}

static void test_empty_stack(void **state)
{
	struct stacks *stacks = stacks__new();

	assert_int_equal(stacks__count(stacks), 1);
	assert_int_equal(stacks__index(stacks, 0), 0);
	assert_int_equal(stacks__index(stacks, 99), 0);
	assert_int_equal(stacks__get(stacks, 0).nr_frames, 0);
	assert_false(stacks__get(stacks, 0).cut);
	stacks__add(stacks, 5, frames, 0, false);
	assert_int_equal(stacks__index(stacks, 5), 0);
	stacks__add(stacks, 6, NULL, 0, false);
	assert_int_equal(stacks__count(stacks), 1);
	/* Nothing at all was seen of this one: not the same as a stack that is empty. */
	stacks__add(stacks, 7, NULL, 0, true);
	check_stack(stacks, stacks__index(stacks, 7), frames, 0, true);
	assert_int_equal(stacks__count(stacks), 2);
	stacks__free(stacks);
	stacks__free(NULL);
}

static void test_id_zero_stays_empty(void **state)
{
	struct stacks *stacks = stacks__new();

	stacks__add(stacks, 0, frames, 4, false);
	assert_int_equal(stacks__index(stacks, 0), 0);
	assert_int_equal(stacks__get(stacks, 0).nr_frames, 0);
	stacks__free(stacks);
}

static void test_equal_stacks_are_one(void **state)
{
	uint32_t copy[ARRAY_SIZE(frames)];
	struct stacks *stacks = stacks__new();

	memcpy(copy, frames, sizeof(copy));
	stacks__add(stacks, 1, frames, 4, false);
	stacks__add(stacks, 2, copy, 4, false);
	stacks__add(stacks, 3, copy, 3, false);
	stacks__add(stacks, 4, copy, 4, true);
	assert_int_equal(stacks__index(stacks, 1), 1);
	assert_int_equal(stacks__index(stacks, 2), 1);
	assert_int_equal(stacks__index(stacks, 3), 2);
	assert_int_equal(stacks__index(stacks, 4), 3);
	assert_int_equal(stacks__count(stacks), 4);
	check_stack(stacks, 1, frames, 4, false);
	check_stack(stacks, 2, frames, 3, false);
	check_stack(stacks, 3, frames, 4, true);
	stacks__free(stacks);
}

static void test_rebinding(void **state)
{
	struct stacks *stacks = stacks__new();

	stacks__add(stacks, 1, frames, 4, false);
	stacks__add(stacks, 1, frames, 2, false);
	check_stack(stacks, stacks__index(stacks, 1), frames, 2, false);
	stacks__add(stacks, 1, frames, 0, false);
	assert_int_equal(stacks__index(stacks, 1), 0);
	stacks__free(stacks);
}

/* Would be 16 GB and more in an array by id. */
static void test_wild_ids(void **state)
{
	struct stacks *stacks = stacks__new();

	for (uint32_t i = 0; i < 64; i++)
		stacks__add(stacks, UINT32_MAX - i * 0x04000000u, frames, 1 + i % 4, false);
	for (uint32_t i = 0; i < 64; i++)
		check_stack(stacks, stacks__index(stacks, UINT32_MAX - i * 0x04000000u), frames,
			    1 + i % 4, false);
	assert_int_equal(stacks__count(stacks), 5);
	stacks__free(stacks);
}

static void test_many(void **state)
{
	struct stacks *stacks = stacks__new();
	uint32_t many[128];

	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 20000; i++) {
			for (uint32_t j = 0; j <= i % 127; j++)
				many[j] = i * j;
			many[0] = i;
			stacks__add(stacks, 1 + i + round * 20000, many, 1 + i % 127, false);
		}
	assert_int_equal(stacks__count(stacks), 20001);
	for (uint32_t i = 0; i < 40000; i++) {
		struct stack stack = stacks__get(stacks, stacks__index(stacks, 1 + i));

		assert_int_equal(stack.frames[0], i % 20000);
		assert_int_equal(stack.nr_frames, 1 + i % 20000 % 127);
	}
	stacks__free(stacks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_stack),
		cmocka_unit_test(test_id_zero_stays_empty),
		cmocka_unit_test(test_equal_stacks_are_one),
		cmocka_unit_test(test_rebinding),
		cmocka_unit_test(test_wild_ids),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
