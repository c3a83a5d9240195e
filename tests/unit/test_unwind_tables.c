// SPDX-License-Identifier: BSD-2-Clause
/* What unwind_tables.c writes is what the walker finds: rows in trees of blocks, mappings in views.
 */
#include "walk_fixture.h"

#include <stdlib.h>

#include "base/log.h"

#define BIAS 0x555500000000ull
#define BASE 0x2000ull

enum { NR_RULES = 1000 };

/* nr rows, some next to each other, some far apart; of the rule each names its place. */
static struct unwind_table *new_table(size_t nr)
{
	struct unwind_table *table = xcalloc(1, sizeof(*table));
	uint32_t pc = 5;

	table->base = BASE;
	table->nr_rows = nr;
	table->rows = xcalloc(nr, sizeof(*table->rows));
	table->nr_rules = NR_RULES;
	table->rules = xcalloc(NR_RULES, sizeof(*table->rules));
	for (int i = 0; i < NR_RULES; i++)
		table->rules[i] =
			(struct unwind_rule){ .cfa = UNWIND_CFA_RSP, .cfa_offset = 8 * i };
	for (size_t i = 0; i < nr; i++) {
		table->rows[i] = (struct unwind_row){ .pc = pc, .rule = i % NR_RULES };
		pc += i % 7 ? 1 + i % 50 : 9000;
	}
	return table;
}

static void map_table(const struct unwind_table *table)
{
	unwind_space__map(&fixture.space, BIAS, BIAS + (8ull << 30), 0,
			   unwind_tables__add(&fixture.tables, table));
	unwind_space__publish(&fixture.space);
	unwind__begin(&walk, &fixture, 0, 0, 0, 0);
}

static void expect_rule_of(const struct unwind_table *table, uint64_t vaddr)
{
	const struct unwind_rule *found, *expected = unwind_table__find(table, vaddr);

	assert_int_equal(unwind__find_range(&walk, &fixture, BIAS + vaddr), 1);
	found = unwind__find_rule(&walk, &fixture, BIAS + vaddr);
	if (!expected)
		assert_null(found);
	else
		assert_memory_equal(found, expected, sizeof(*found));
}

static void expect_rules_of(const struct unwind_table *table)
{
	expect_rule_of(table, 0);
	expect_rule_of(table, BASE - 1);
	expect_rule_of(table, BASE);
	for (size_t i = 0; i < table->nr_rows; i++) {
		uint64_t vaddr = BASE + table->rows[i].pc;

		expect_rule_of(table, vaddr - 1);
		expect_rule_of(table, vaddr);
		expect_rule_of(table, vaddr + 1);
	}
	expect_rule_of(table, BASE + UINT32_MAX - 1);
	/* Past what 32 bits hold there is no row, whatever their low half says. */
	assert_null(unwind__find_rule(&walk, &fixture, BIAS + BASE + UINT32_MAX));
	assert_null(unwind__find_rule(&walk, &fixture, BIAS + BASE + (1ull << 32) + 100));
}

static void every_row_is_found(void **state)
{
	static const size_t counts[] = { 0,    1,    2,	   63,	 64,	 65,	127,
					 4095, 4096, 4097, 4161, 262144, 300000 };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		struct unwind_table *table = new_table(counts[i]);

		set_up(state);
		map_table(table);
		expect_rules_of(table);
		/* The same again as a second module: rules are shared, blocks are not. */
		if (counts[i] < 5000) {
			map_table(table);
			expect_rules_of(table);
			assert_int_equal(fixture.tables.nr_rules, counts[i] ? NR_RULES : 0);
		}
		tear_down(state);
		unwind_table__free(table);
	}
}

static void first_and_last_address(void **state)
{
	struct unwind_row rows[] = { { 0, 0, 0 }, { UINT32_MAX - 2, 1, 0 } };
	struct unwind_rule rules[] = { { .cfa = UNWIND_CFA_RSP }, { .cfa = UNWIND_CFA_RBP } };
	struct unwind_table table = { BASE, rows, 2, rules, 2 };

	map_table(&table);
	expect_rules_of(&table);
}

static void no_room_for_modules(void **state)
{
	for (size_t i = fixture.tables.nr_modules; i < UNWIND_MAX_MODULES; i++)
		assert_int_equal(unwind_tables__add(&fixture.tables, NULL), i);
	assert_int_equal(unwind_tables__add(&fixture.tables, NULL), UNWIND_MODULE_UNKNOWN);
}

static void no_room_for_rows(void **state)
{
	struct unwind_table *small = new_table(100), *large = new_table(300000);
	uint32_t module = unwind_tables__add(&fixture.tables, small);

	/* Making a chunk fails here: it would be a BPF map. */
	assert_true(module < UNWIND_MAX_MODULES);
	assert_true(unwind_tables__add(&fixture.tables, large) < UNWIND_MAX_MODULES);
	assert_int_equal(unwind_tables__add(&fixture.tables, large), UNWIND_MODULE_UNKNOWN);
	unwind_space__map(&fixture.space, BIAS, BIAS + (8ull << 30), 0, module);
	unwind_space__publish(&fixture.space);
	unwind__begin(&walk, &fixture, 0, 0, 0, 0);
	expect_rules_of(small);
	unwind_table__free(small);
	unwind_table__free(large);
}

/* ---- mappings ----------------------------------------------------------------------------- */

static struct unwind known;

static void publish(void)
{
	unwind_space__publish(&fixture.space);
	unwind__begin(&known, &fixture, 0, 0, 0, 0);
}

/* The module at an address; -1: no mapping. From scratch, and with what was found last. */
static int64_t module_at(uint64_t address)
{
	int found = unwind__find_range(&known, &fixture, address);

	unwind__begin(&walk, &fixture, 0, 0, 0, 0);
	assert_int_equal(unwind__find_range(&walk, &fixture, address), found);
	if (!found)
		return -1;
	assert_int_equal(known.module, walk.module);
	assert_int_equal(known.bias, walk.bias);
	return walk.module;
}

static void as_many_mappings_as_there_is_room(void **state)
{
	static const size_t counts[] = { 0, 1, 2, 3, 4095, 4096, 4097, 5000 };
	const uint64_t first = 1ull << 40;

	log__set_level(LOG_ERROR);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		size_t nr = min(counts[i], (size_t)UNWIND_MAX_RANGES);

		set_up(state);
		for (size_t at = counts[i]; at-- > 0;)
			unwind_space__map(&fixture.space, first + at * 4096,
					   first + at * 4096 + 4000, 0, (uint32_t)at);
		publish();
		assert_int_equal(module_at(0), -1);
		assert_int_equal(module_at(first - 1), -1);
		for (size_t at = 0; at < counts[i]; at++) {
			int64_t expected = at < nr ? (int64_t)at : -1;

			assert_int_equal(module_at(first + at * 4096), expected);
			assert_int_equal(module_at(first + at * 4096 + 3999), expected);
			assert_int_equal(module_at(first + at * 4096 + 4000), -1);
			assert_int_equal(module_at(first + at * 4096 + 4095), -1);
		}
		assert_int_equal(module_at(first + counts[i] * 4096), -1);
		assert_int_equal(module_at(INT64_MAX), -1);
		assert_int_equal(module_at(1ull << 63), -1);
		assert_int_equal(module_at(UINT64_MAX), -1);
		tear_down(state);
	}
}

static void upper_half_of_addresses(void **state)
{
	unwind_space__map(&fixture.space, 0, 4096, 0, 1);
	unwind_space__map(&fixture.space, INT64_MAX - 4096, INT64_MAX, 0, 2);
	unwind_space__map(&fixture.space, (1ull << 63) - 4096, 1ull << 63, 0, 3);
	unwind_space__map(&fixture.space, 0xffffffffff600000, 0xffffffffff601000, 0, 4);
	unwind_space__map(&fixture.space, 4096, 4096, 0, 5);
	publish();
	assert_int_equal(module_at(0), 1);
	assert_int_equal(module_at(4095), 1);
	assert_int_equal(module_at(4096), -1);
	assert_int_equal(module_at(INT64_MAX - 4096), 2);
	assert_int_equal(module_at(INT64_MAX - 1), 2);
	assert_int_equal(module_at(INT64_MAX), -1);
	assert_int_equal(module_at(1ull << 63), -1);
	assert_int_equal(module_at(0xffffffffff600400), -1);
}

/* Against a byte a page, painted over. */
static void later_mappings_replace(void **state)
{
	enum { PAGES = 200 };
	int16_t painted[PAGES];
	unsigned seed = 1;

	memset(painted, 0xff, sizeof(painted));
	for (int i = 0; i < 3000; i++) {
		unsigned start = rand_r(&seed) % PAGES;
		unsigned end = start + rand_r(&seed) % (i % 10 ? 8 : PAGES - start + 1);

		end = min(end, (unsigned)PAGES);
		unwind_space__map(&fixture.space, start, end, 100000, (uint32_t)i % 1000);
		for (unsigned page = start; page < end; page++)
			painted[page] = (int16_t)(i % 1000);
		/* Nothing of it shows before it is published. */
		if (i % 3)
			continue;
		publish();
		for (unsigned page = 0; page < PAGES; page++) {
			int found = unwind__find_range(&known, &fixture, page);

			assert_int_equal(found ? (int)known.module : -1, painted[page]);
			if (found)
				assert_in_range(page, known.start, known.end - 1);
		}
	}
}

static const struct unwind_range_block *block_of(uint32_t view)
{
	return &fixture.space.blocks[fixture.process.views[view & 1].first_block];
}

/* What is written for the next view leaves the one that is read alone. */
static void views_take_turns(void **state)
{
	uint32_t view = fixture.process.ranges_view;

	unwind_space__map(&fixture.space, 4096, 8192, 0, 1);
	publish();
	assert_int_not_equal(fixture.process.ranges_view, view);
	unwind_space__map(&fixture.space, 4096, 8192, 0, 2);
	assert_int_equal(module_at(5000), 1);
	view = fixture.process.ranges_view;
	publish();
	assert_int_equal(block_of(view)->range[0].module, 1);
	assert_int_equal(block_of(!(view & 1))->range[0].module, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found),
		TEST(first_and_last_address),
		TEST(no_room_for_modules),
		TEST(no_room_for_rows),
		cmocka_unit_test(as_many_mappings_as_there_is_room),
		TEST(upper_half_of_addresses),
		TEST(later_mappings_replace),
		TEST(views_take_turns),
	};

	return cmocka_run_group_tests_name("unwind_tables", tests, NULL, NULL);
}
