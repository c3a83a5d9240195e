// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the preload library's unwinder is made of: rows, their cache, and the tables they come from,
 * also when those are damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../preload-fallback/unwind_cache.h"
#include "../../preload-fallback/unwind_cfi.h"
#include "../../preload-fallback/unwind_code.h"

static uint64_t next_random(void)
{
	static uint64_t random = 1;

	random = random * 6364136223846793005ull + 1442695040888963407ull;
	return random >> 20;
}

static void test_rows(void **state)
{
	static const int64_t offsets[] = { 0, 8, -8, 4096, -4096, 2097144, -2097152 };
	static const int64_t unfit[] = { 4, -1, 2097152, -2097160, INT64_MAX, INT64_MIN };

	for (int i = 0; i < 7 * 7 * 7; i++) {
		struct unwind_rule rule = {
			.kind = ROW_FP,
			.fp = ROW_FP_AT_FP,
			.is_ra_in_lr = i & 1,
			.cfa_offset = offsets[i % 7],
			.ra_offset = offsets[i / 7 % 7],
			.fp_offset = offsets[i / 49],
		};
		unwind_row row = unwind_row__pack(&rule);

		assert_int_equal(unwind_row__kind(row), ROW_FP);
		assert_int_equal(unwind_row__fp(row), ROW_FP_AT_FP);
		assert_int_equal(unwind_row__is_ra_in_lr(row), i & 1);
		assert_int_equal(unwind_row__cfa_offset(row), rule.cfa_offset);
		assert_int_equal(unwind_row__ra_offset(row), rule.ra_offset);
		assert_int_equal(unwind_row__fp_offset(row), rule.fp_offset);
	}
	for (int i = 0; i < 6; i++) {
		struct unwind_rule rule = { .kind = ROW_SP, .cfa_offset = unfit[i] };

		assert_int_equal(unwind_row__pack(&rule), ROW_GAP);
		rule = (struct unwind_rule){ .kind = ROW_SP, .ra_offset = unfit[i] };
		assert_int_equal(unwind_row__pack(&rule), ROW_GAP);
		rule = (struct unwind_rule){ .kind = ROW_SP, .fp_offset = unfit[i] };
		assert_int_equal(unwind_row__pack(&rule), ROW_GAP);
	}
}

static void test_cache(void **state)
{
	uint64_t salt = unwind_cache__salt();
	struct unwind_cached *entry = unwind_cache__entry(0x5000);
	struct unwind_cached first, second;
	unwind_row row;

	assert_false(unwind_cache__get(salt, 0x5000, &row));
	assert_false(unwind_cache__get(salt, 0, &row));
	unwind_cache__put(salt, 0x5000, 7);
	assert_true(unwind_cache__get(salt, 0x5000, &row));
	assert_int_equal(row, 7);
	first = *entry;
	unwind_cache__put(salt, 0x5000, 9);
	second = *entry;
	assert_false(unwind_cache__get(salt, 0x5001, &row));
	/* Words of two writers. */
	*entry = (struct unwind_cached){ .key = first.key, .row = second.row };
	assert_false(unwind_cache__get(salt, 0x5000, &row));
	*entry = (struct unwind_cached){ .key = second.key, .row = first.row };
	assert_false(unwind_cache__get(salt, 0x5000, &row));
	*entry = second;
	assert_true(unwind_cache__get(salt, 0x5000, &row));
	unwind_cache_generation++;
	assert_int_not_equal(unwind_cache__salt(), salt);
	assert_false(unwind_cache__get(unwind_cache__salt(), 0x5000, &row));
}

/* A copy of the segment with the tables of the module that has an address; the code that they are
 * about is as far from it as from the original. */
static struct unwind_module copy_module(uintptr_t address, uint8_t **copy, uintptr_t *moved)
{
	struct unwind_module module;
	bool is_unloaded;
	size_t len;

	assert_true(unwind_module__find(address, &module, &is_unloaded));
	assert_non_null(module.index);
	len = module.readable_end - module.readable;
	*copy = malloc(len);
	assert_non_null(*copy);
	memcpy(*copy, (const void *)module.readable, len);
	*moved = (uintptr_t)*copy - module.readable;
	module.index += *moved;
	module.readable += *moved;
	module.readable_end += *moved;
	return module;
}

/* The functions of the C library: every address near malloc has the row it has in the original. */
static void test_tables(void **state)
{
	uintptr_t near = (uintptr_t)&qsort, moved;
	struct unwind_module module, original;
	unsigned nr_rows = 0;
	bool is_unloaded;
	uint8_t *copy;

	module = copy_module(near, &copy, &moved);
	assert_true(unwind_module__find(near, &original, &is_unloaded));
	for (uintptr_t address = near - 20000; address < near + 20000; address++) {
		unwind_row row = unwind_cfi__row(&original, address);

		assert_int_equal(unwind_cfi__row(&module, address + moved), row);
		nr_rows += row != ROW_GAP;
	}
	assert_true(nr_rows > 30000);
	free(copy);
}

static void test_damaged(void **state)
{
	uintptr_t near = (uintptr_t)&qsort, moved, index;
	struct unwind_module module;
	uint8_t *copy;

	module = copy_module(near, &copy, &moved);
	index = (uintptr_t)module.index - module.readable;
	for (int i = 0; i < 60000; i++) {
		size_t at[4];
		uint8_t kept[4];

		for (int k = 0; k < 4; k++) {
			/* Half of it in the index's head, where one byte changes everything. */
			at[k] = index + (k & 1 ? next_random() % 16
					       : next_random() % (module.readable_end -
								  module.readable - index));
			kept[k] = copy[at[k]];
			if (k != 1 || i & 1)
				copy[at[k]] = (uint8_t)next_random();
		}
		for (int k = 0; k < 4; k++)
			unwind_cfi__row(&module, near + moved + next_random() % 65536 - 32768);
		for (int k = 3; k >= 0; k--)
			copy[at[k]] = kept[k];
	}
	/* And cut off anywhere. */
	for (int i = 0; i < 2000; i++) {
		struct unwind_module shorter = module;
		size_t len = index + 1 + next_random() % 4096;

		shorter.index = malloc(len);
		assert_non_null(shorter.index);
		memcpy((uint8_t *)shorter.index, copy, len);
		shorter.readable = (uintptr_t)shorter.index;
		shorter.readable_end = shorter.readable + len;
		shorter.index += index;
		unwind_cfi__row(&shorter, near - module.readable + moved + shorter.readable);
		free((void *)shorter.readable);
	}
	free(copy);
}

static void test_code(void **state)
{
	uintptr_t here = (uintptr_t)__builtin_return_address(0);

	assert_true(unwind_code__follows_call(here));
	assert_false(unwind_code__follows_call(0));
	assert_false(unwind_code__follows_call(5));
	assert_false(unwind_code__follows_call(UINTPTR_MAX));
	assert_false(unwind_code__is_sigreturn(here));
	assert_false(unwind_code__is_sigreturn(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),   cmocka_unit_test(test_cache),
		cmocka_unit_test(test_tables), cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
