// SPDX-License-Identifier: BSD-2-Clause
/* Rows and what they are made of and kept in: dialects, lines, JSON, files that are rotated. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/csv.h"
#include "base/json_check.h"
#include "base/lines.h"
#include "base/rowfile.h"
#include "base/util.h"

static char directory[] = "/tmp/heaptap-test-XXXXXX";

static int set_up(void **state)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	return mkdtemp(directory) && !chdir(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	char *command = xasprintf("rm -rf %s", directory);
	int status = chdir("/") | system(command);

	free(command);
	return status;
}

static void a_row_is_quoted_where_it_must_be(void **state)
{
	struct csv_row row = { .dialect = &csv_rfc4180 };

	csv_row__begin(&row);
	csv_row__uint(&row, UINT64_MAX);
	csv_row__hex(&row, 0xabc0);
	csv_row__text(&row, "plain");
	csv_row__text(&row, "a,b");
	csv_row__text(&row, "say \"x\"");
	csv_row__text(&row, "line\nend\xff");
	csv_row__text(&row, NULL);
	csv_row__quoted(&row, "[\"\\\"]", 5);
	csv_row__end(&row);
	assert_int_equal(row.len, strlen("18446744073709551615,0xabc0,plain,\"a,b\",\"say \"\"x\"\"\","
					 "line?end?,,\"[\"\"\\\"\"]\"\n"));
	assert_memory_equal(row.text,
			    "18446744073709551615,0xabc0,plain,\"a,b\",\"say \"\"x\"\"\","
			    "line?end?,,\"[\"\"\\\"\"]\"\n",
			    row.len);
	csv_row__clear(&row);
}

/* As in malloc-trace's own files. */
static void malloc_traces_row(void **state)
{
	static const char json[] = "[{\"f\":\"a\\\\b\" }]";
	static const char wanted[] = "\"malloc\";7;\"[{\\\"f\\\":\\\"a\\\\\\\\b\\\" }]\"\n";
	struct csv_row row = { .dialect = &csv_malloc_trace };

	csv_row__begin(&row);
	csv_row__quoted(&row, "malloc", 6);
	csv_row__uint(&row, 7);
	csv_row__quoted(&row, json, strlen(json));
	csv_row__end(&row);
	assert_int_equal(row.len, strlen(wanted));
	assert_memory_equal(row.text, wanted, row.len);
	csv_row__clear(&row);
}

static unsigned parse(const struct csv_dialect *dialect, const char *row, char *text, bool *bad)
{
	struct csv_field fields[4];
	char scratch[256];
	unsigned nr = csv__parse(dialect, row, strlen(row), scratch, fields, 4, bad);

	*text = '\0';
	for (unsigned i = 0; i < nr; i++)
		text += sprintf(text, "<%.*s>", (int)fields[i].len, fields[i].text);
	return nr;
}

static void rows_are_taken_apart(void **state)
{
	static const struct {
		const struct csv_dialect *dialect;
		const char *row, *fields;
		bool malformed;
	} cases[] = {
		{ &csv_rfc4180, "a,,\"b\"\"c\"", "<a><><b\"c>", false },
		{ &csv_rfc4180, "a,b\r", "<a><b>", false },
		{ &csv_rfc4180, "", "<>", false },
		{ &csv_rfc4180, "a,", "<a><>", false },
		{ &csv_rfc4180, "a,\"b", "<a>", true },
		{ &csv_rfc4180, "a,\"b\"c", "<a>", true },
		{ &csv_rfc4180, "a,b\"c", "<a>", true },
		{ &csv_rfc4180, "1,2,3,4,5", "<1><2><3><4>", true },
		{ &csv_malloc_trace, "\"x\";1;\"a\\\"b\\\\;\"", "<x><1><a\"b\\;>", false },
		{ &csv_malloc_trace, "1;\"a\\", "<1>", true },
		{ &csv_malloc_trace, "1;\"a\"\"b\"", "<1>", true },
	};
	char text[512];
	bool malformed;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		parse(cases[i].dialect, cases[i].row, text, &malformed);
		assert_string_equal(text, cases[i].fields);
		assert_int_equal(malformed, cases[i].malformed);
	}
}

static void what_is_written_is_read_back(void **state)
{
	static const char *const texts[] = { "", "a", "\"", "\\", "\\\"", ",;", " x ", "\"\"\\\\" };
	static const struct csv_dialect *const dialects[] = { &csv_rfc4180, &csv_malloc_trace };

	for (size_t d = 0; d < ARRAY_SIZE(dialects); d++) {
		struct csv_row row = { .dialect = dialects[d] };
		struct csv_field fields[ARRAY_SIZE(texts)];
		char scratch[256];
		bool malformed;

		csv_row__begin(&row);
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
			csv_row__text(&row, texts[i]);
		assert_int_equal(csv__parse(dialects[d], row.text, row.len, scratch, fields,
					    ARRAY_SIZE(texts), &malformed),
				 ARRAY_SIZE(texts));
		assert_false(malformed);
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
			assert_true(csv_field__is(&fields[i], texts[i]));
		csv_row__clear(&row);
	}
}

static void numbers_are_whole_and_fit(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t value;
	} cases[] = { { "0", true, 0 },
		      { "18446744073709551615", true, UINT64_MAX },
		      { "18446744073709551616", false, 0 },
		      { "99999999999999999999", false, 0 },
		      { "", false, 0 },
		      { "-1", false, 0 },
		      { "1x", false, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct csv_field field = { cases[i].text, strlen(cases[i].text) };
		uint64_t value;

		assert_int_equal(csv_field__uint(&field, &value), cases[i].good);
		if (cases[i].good)
			assert_true(value == cases[i].value);
	}
}

static void json_is_told_from_what_is_not(void **state)
{
	static const char *const good[] = { "[]", " [ 1 , -2.5e+3 , true,null ] ", "{}",
					    "{\"a\":{\"b\":[\"\\u00e9\\n\"]}}", "\"\xff\"", "0" };
	static const char *const bad[] = { "",	      "[",	"[1,]",	    "[1 2]",  "{\"a\"}",
					   "{a:1}",   "\"\n\"", "\"\\x\"", "[]x",    "01",
					   "\"\\u12\"", "-",	"tru",	    "{\"a\":}" };
	char deep[64];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(json__is_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(json__is_valid(bad[i], strlen(bad[i])));
	memset(deep, '[', 32);
	memset(deep + 32, ']', 32);
	assert_false(json__is_valid(deep, 64));
	assert_true(json__is_valid(deep + 24, 16));
}

static void write_file(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void lines_of_any_length(void **state)
{
	size_t longest = LINES_MAX, len = 3 * longest + 100;
	char *text = xmalloc(len);
	struct lines *lines;
	struct line line;
	int fd;

	memset(text, 'x', len);
	text[1] = text[2] = '\n';
	text[3 + longest] = '\n';    /* as long as may be */
	text[len - 3] = '\n';	     /* too long */
	write_file("lines", text, len);
	fd = open("lines", O_RDONLY);
	lines = lines__new(fd);
	assert_int_equal(lines__next(lines, &line), 1);
	assert_int_equal(line.len, 1);
	assert_int_equal(lines__next(lines, &line), 1);
	assert_int_equal(line.len, 0);
	assert_int_equal(lines__next(lines, &line), 1);
	assert_int_equal(line.len, longest);
	assert_false(line.too_long);
	assert_int_equal(line.offset, 3);
	assert_int_equal(lines__next(lines, &line), 1);
	assert_true(line.too_long);
	assert_int_equal(lines__next(lines, &line), 1);
	assert_int_equal(line.len, 2);
	assert_int_equal(line.offset, len - 2);
	assert_int_equal(lines__next(lines, &line), 0);
	lines__free(lines);
	close(fd);
	free(text);
}

static void holds(const char *path, const char *wanted)
{
	char *text = file__read_all(path, 1 << 20, NULL);

	assert_non_null(text);
	assert_string_equal(text, wanted);
	free(text);
}

static void append(struct rowfile *file, const char *row)
{
	assert_int_equal(rowfile__append(file, row, strlen(row)), 0);
}

static void a_file_is_rotated(void **state)
{
	struct rowfile *file;

	write_file("r.csv", "old\n", 4);
	file = rowfile__open(&(struct rowfile_options){
		.path = "r.csv", .header = "h\n", .rotate_bytes = 10, .keep = 2 });
	assert_non_null(file);
	append(file, "1234\n");
	append(file, "56\n");
	append(file, "7\n");
	append(file, "12345678901234567890\n");
	append(file, "8\n");
	assert_int_equal(rowfile__close(file), 0);
	holds("r.csv", "h\n8\n");
	holds("r.csv.1", "h\n12345678901234567890\n");
	holds("r.csv.2", "h\n7\n");
	assert_int_equal(access("r.csv.3", F_OK), -1);
}

static void a_file_that_is_gone_is_begun_again(void **state)
{
	struct rowfile *file;
	struct stat status;

	write_file("m.csv", "old\n", 4);
	file = rowfile__open(&(struct rowfile_options){ .path = "m.csv", .header = "h\n" });
	append(file, "1\n");
	assert_int_equal(rowfile__flush(file), 0);
	assert_int_equal(rename("m.csv", "moved"), 0);
	append(file, "2\n");
	assert_int_equal(rowfile__flush(file), 0);
	assert_int_equal(unlink("m.csv"), 0);
	append(file, "3\n");
	assert_int_equal(rowfile__close(file), 0);
	holds("moved", "h\n1\n");
	holds("m.csv", "h\n3\n");
	assert_int_equal(stat("m.csv", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void links_are_not_followed(void **state)
{
	struct rowfile *file;

	write_file("victim", "", 0);
	assert_int_equal(symlink("victim", "l.csv"), 0);
	assert_null(rowfile__open(&(struct rowfile_options){ .path = "l.csv" }));
	assert_int_equal(errno, ELOOP);
	/* Nor one that takes its place later: rows are lost, and that is told. */
	file = rowfile__open(&(struct rowfile_options){ .path = "n.csv", .persist = true });
	append(file, "1\n");
	assert_int_equal(rowfile__flush(file), 0);
	assert_int_equal(unlink("n.csv") | symlink("victim", "n.csv"), 0);
	append(file, "2\n");
	assert_int_equal(rowfile__flush(file), 0);
	assert_int_equal(unlink("n.csv"), 0);
	append(file, "3\n");
	assert_int_equal(rowfile__close(file), -ELOOP);
	holds("victim", "");
	holds("n.csv", "3\n");
}

static void a_full_device_ends_it(void **state)
{
	struct rowfile *file = rowfile__open(&(struct rowfile_options){ .path = "/dev/full" });

	assert_non_null(file);
	append(file, "1\n");
	assert_int_equal(rowfile__flush(file), -ENOSPC);
	assert_int_equal(rowfile__append(file, "2\n", 2), -ENOSPC);
	assert_int_equal(rowfile__close(file), -ENOSPC);
	assert_null(rowfile__open(&(struct rowfile_options){ .path = "no/such/folder" }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_quoted_where_it_must_be),
		cmocka_unit_test(malloc_traces_row),
		cmocka_unit_test(rows_are_taken_apart),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(numbers_are_whole_and_fit),
		cmocka_unit_test(json_is_told_from_what_is_not),
		cmocka_unit_test_setup_teardown(lines_of_any_length, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_is_rotated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_is_gone_is_begun_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(links_are_not_followed, set_up, tear_down),
		cmocka_unit_test(a_full_device_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
