// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "unwind/rows.h"

static struct unwind_rule rsp(int offset)
{
	return (struct unwind_rule){ .cfa = UNWIND_CFA_RSP, .cfa_offset = offset };
}

static void add(struct rows_builder *builder, uint64_t start, uint64_t end, int offset)
{
	struct unwind_rule rule = rsp(offset);

	assert_int_equal(rows_builder__add(builder, start, end, &rule), 0);
}

/* The offset of the rule at an address; 0: none, -1: outside, -2: does not fit. */
static int offset_at(const struct unwind_table *table, uint64_t vaddr)
{
	const struct unwind_rule *rule = unwind_table__find(table, vaddr);

	if (!rule)
		return -1;
	if (rule->cfa == UNWIND_CFA_NONE)
		return rule->rbp == UNWIND_RBP_LOST ? -2 : 0;
	return rule->cfa_offset;
}

static void check_table(const struct unwind_table *table)
{
	static const struct unwind_rule zero;
	bool has_zero = false;

	for (size_t i = 0; i < table->nr_rows; i++) {
		assert_true(table->rows[i].rule < table->nr_rules);
		assert_int_equal(table->rows[i].pad, 0);
		if (!i)
			continue;
		assert_true(table->rows[i].pc > table->rows[i - 1].pc);
		assert_int_not_equal(table->rows[i].rule, table->rows[i - 1].rule);
	}
	for (size_t i = 0; i < table->nr_rules; i++)
		has_zero |= !memcmp(&table->rules[i], &zero, sizeof(zero));
	assert_true(has_zero);
	assert_true(table->nr_rules <= UNWIND_MAX_RULES);
}

static void ranges_become_rows(void **state)
{
	struct rows_builder *builder = rows_builder__new();
	struct unwind_table *table;

	add(builder, 0x2000, 0x2010, 16);
	add(builder, 0x1000, 0x1010, 8); /* out of order */
	add(builder, 0x1010, 0x1020, 16);
	add(builder, 0x1020, 0x1030, 16); /* merges */
	add(builder, 0x1030, 0x1030, 99); /* empty, reversed */
	add(builder, 0x1040, 0x1030, 99);
	table = rows_builder__finish(builder);
	check_table(table);
	assert_int_equal(table->base, 0x1000);
	assert_int_equal(table->nr_rows, 5);
	assert_int_equal(offset_at(table, 0xfff), -1);
	assert_int_equal(offset_at(table, 0x1000), 8);
	assert_int_equal(offset_at(table, 0x100f), 8);
	assert_int_equal(offset_at(table, 0x1010), 16);
	assert_int_equal(offset_at(table, 0x102f), 16);
	assert_int_equal(offset_at(table, 0x1030), 0);
	assert_int_equal(offset_at(table, 0x1fff), 0);
	assert_int_equal(offset_at(table, 0x2000), 16);
	assert_int_equal(offset_at(table, 0x2010), 0);
	assert_int_equal(offset_at(table, 0x1000ull + UINT32_MAX), 0);
	assert_int_equal(offset_at(table, 0x1001ull + UINT32_MAX), -1);
	unwind_table__free(table);

	/* The builder can be used again, and is empty. */
	table = rows_builder__finish(builder);
	check_table(table);
	assert_int_equal(table->nr_rows, 0);
	assert_int_equal(offset_at(table, 0), -1);
	unwind_table__free(table);
	unwind_table__free(NULL);
	rows_builder__free(builder);
	rows_builder__free(NULL);
}

/* Against one byte an address, painted in the order of adding and never over. */
static void first_of_overlapping_ranges_wins(void **state)
{
	enum { SIZE = 600, NR_RANGES = 60 };
	unsigned seed = 1;

	for (int round = 0; round < 300; round++) {
		struct rows_builder *builder = rows_builder__new();
		int painted[SIZE + 100] = { 0 }, lowest = SIZE;
		struct unwind_table *table;

		for (int i = 0; i < NR_RANGES; i++) {
			int start = rand_r(&seed) % SIZE;
			int end = start + rand_r(&seed) % (i % 7 ? 20 : 100);
			int offset = 8 + 8 * (rand_r(&seed) % 5);

			add(builder, (uint64_t)start, (uint64_t)end, offset);
			if (start < end)
				lowest = min(lowest, start);
			for (int at = start; at < end; at++)
				painted[at] = painted[at] ? painted[at] : offset;
		}
		table = rows_builder__finish(builder);
		check_table(table);
		for (int at = lowest; at < SIZE + 100; at++)
			assert_int_equal(offset_at(table, (uint64_t)at), painted[at]);
		unwind_table__free(table);
		rows_builder__free(builder);
	}
}

static void far_addresses_have_no_rule(void **state)
{
	const uint64_t base = 0x7000000000000000;
	struct rows_builder *builder = rows_builder__new();
	struct unwind_table *table;

	add(builder, base, base + 16, 8);
	add(builder, base + 0xffffff00, base + 0x100000100, 16);
	add(builder, base + 0x200000000, base + 0x200000010, 24);
	add(builder, UINT64_MAX - 1, UINT64_MAX, 24);
	table = rows_builder__finish(builder);
	check_table(table);
	assert_int_equal(table->base, base);
	assert_int_equal(offset_at(table, base + 0xffffff00), 16);
	assert_int_equal(offset_at(table, base + 0xfffffffd), 16);
	assert_int_equal(offset_at(table, base + 0xffffffff), -2);
	assert_int_equal(offset_at(table, base + 0x200000000), -1);
	unwind_table__free(table);
	rows_builder__free(builder);
}

static void rules_past_the_limit_do_not_fit(void **state)
{
	struct rows_builder *builder = rows_builder__new();
	struct unwind_table *table;
	const uint64_t nr = UNWIND_MAX_RULES + 1000;

	for (uint64_t i = 0; i < nr; i++)
		add(builder, i * 16, i * 16 + 16, (int)i + 1);
	table = rows_builder__finish(builder);
	check_table(table);
	assert_int_equal(table->nr_rules, UNWIND_MAX_RULES);
	assert_int_equal(offset_at(table, 0), 1);
	assert_int_equal(offset_at(table, 60000 * 16), 60001);
	assert_int_equal(offset_at(table, (nr - 1) * 16), -2);
	unwind_table__free(table);
	rows_builder__free(builder);
}

static void too_many_ranges_are_refused(void **state)
{
	struct rows_builder *builder = rows_builder__new();
	struct unwind_rule rule = rsp(8);
	struct unwind_table *table;
	uint64_t i;
	int err = 0;

	/* All overlap: the sweep must not become quadratic. */
	for (i = 0; !err && i < 100u << 20; i++) {
		rule.cfa_offset = (int)(i & 1);
		err = rows_builder__add(builder, i * 16, i * 16 + 0x10000, &rule);
	}
	assert_int_equal(err, -E2BIG);
	assert_true(i > 4u << 20);
	table = rows_builder__finish(builder);
	check_table(table);
	unwind_table__free(table);
	rows_builder__free(builder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_become_rows),
		cmocka_unit_test(first_of_overlapping_ranges_wins),
		cmocka_unit_test(far_addresses_have_no_rule),
		cmocka_unit_test(rules_past_the_limit_do_not_fit),
		cmocka_unit_test(too_many_ranges_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
