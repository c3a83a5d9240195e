// SPDX-License-Identifier: BSD-2-Clause
/* Tables of figures: widths by contents, columns that do not fit come below, bars. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "export/table.h"

static const char *const headings[] = { "who", "first", "b", "c" };

/* Two lines of four columns. */
static struct table *small(unsigned nr_keys)
{
	struct table *table = table__new(headings, ARRAY_SIZE(headings), nr_keys);

	for (unsigned i = 0; i < 8; i++)
		table__cell(table, "%u", i == 5 ? 123456789 : i);
	return table;
}

static void expect(struct table *table, unsigned columns, const char *want)
{
	struct screen screen = { .columns = columns };
	char *text = NULL;
	size_t len;

	screen.out = open_memstream(&text, &len);
	table__write(table, &screen);
	fclose(screen.out);
	assert_string_equal(text, want);
	free(text);
}

static void test_columns_are_as_wide_as_their_contents(void **unused)
{
	struct table *table = small(1);

	expect(table, 80,
	       "who     first b c\n"
	       "  0         1 2 3\n"
	       "  4 123456789 6 7\n");
	expect(table, 17,
	       "who     first b c\n"
	       "  0         1 2 3\n"
	       "  4 123456789 6 7\n");
	table__free(table);
}

static void test_what_does_not_fit_comes_below(void **unused)
{
	struct table *table = small(1);

	expect(table, 16,
	       "who     first b\n"
	       "  0         1 2\n"
	       "  4 123456789 6\n"
	       "\n"
	       "who c\n"
	       "  0 3\n"
	       "  4 7\n");
	/* One column stands behind the keys, however narrow the screen. */
	expect(table, 5,
	       "who     first\n"
	       "  0         1\n"
	       "  4 123456789\n"
	       "\n"
	       "who b\n"
	       "  0 2\n"
	       "  4 6\n"
	       "\n"
	       "who c\n"
	       "  0 3\n"
	       "  4 7\n");
	table__free(table);
}

static void test_keys_come_again(void **unused)
{
	struct table *table = small(2);

	expect(table, 16,
	       "who     first b\n"
	       "  0         1 2\n"
	       "  4 123456789 6\n"
	       "\n"
	       "who     first c\n"
	       "  0         1 3\n"
	       "  4 123456789 7\n");
	table__free(table);
}

static void test_bars_take_what_is_left(void **unused)
{
	struct table *table = small(1);

	table__bar(table, 0);
	table__bar(table, 7);
	expect(table, 28,
	       "who     first b c\n"
	       "  0         1 2 3\n"
	       "  4 123456789 6 7 ##########\n");
	/* One less, and they stand apart. */
	expect(table, 27,
	       "who     first b c\n"
	       "  0         1 2 3\n"
	       "  4 123456789 6 7\n"
	       "\n"
	       "who\n"
	       "  0\n"
	       "  4 #######################\n");
	table__free(table);
}

static void test_a_table_without_lines(void **unused)
{
	struct table *table = table__new(headings, ARRAY_SIZE(headings), 1);

	expect(table, 80, "who first b c\n");
	table__cell(table, "%s", "alone");
	expect(table, 80, "  who first b c\n");
	table__free(table);
	table__free(NULL);
}

static void test_many_lines(void **unused)
{
	struct table *table = table__new(headings, 2, 1);
	struct screen screen = { .columns = 80 };
	char *text = NULL;
	size_t len;

	for (unsigned i = 0; i < 10000; i++) {
		table__cell(table, "%u", i);
		table__cell(table, "%u", i * 7);
	}
	screen.out = open_memstream(&text, &len);
	table__write(table, &screen);
	fclose(screen.out);
	assert_int_equal(len, 10001 * strlen("9999 69993\n"));
	assert_non_null(strstr(text, "\n1234  8638\n"));
	assert_string_equal(text + len - strlen("9999 69993\n"), "9999 69993\n");
	free(text);
	table__free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_as_wide_as_their_contents),
		cmocka_unit_test(test_what_does_not_fit_comes_below),
		cmocka_unit_test(test_keys_come_again),
		cmocka_unit_test(test_bars_take_what_is_left),
		cmocka_unit_test(test_a_table_without_lines),
		cmocka_unit_test(test_many_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
