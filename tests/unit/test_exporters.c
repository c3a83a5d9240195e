// SPDX-License-Identifier: BSD-2-Clause
/* Exporters on made-up streams: files and their names, slices and samples, hostile texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/util.h"
#include "export/view.h"
#include "stream_fixture.h"

#define SECOND 1000000000ull
#define START  (100 * SECOND)

static struct model *model;
static struct view_options options;
static void *state;
static const struct view *view;
static char folder[64], *home;

static void apply(const struct wire_head *record)
{
	assert_int_equal(model__apply(model, record), 0);
}

static int set_up(void **unused)
{
	const struct sym_options sym_options = { 0 };

	model = model__new(&sym_options);
	options = (struct view_options){ 0 };
	state = NULL;
	sink = apply;
	now_ns = START;
	snprintf(folder, sizeof(folder), "/tmp/heaptap-exporters-XXXXXX");
	assert_non_null(mkdtemp(folder));
	home = getcwd(NULL, 0);
	assert_int_equal(chdir(folder), 0);
	return 0;
}

static int tear_down(void **unused)
{
	DIR *directory = opendir(".");
	struct dirent *entry;

	while ((entry = readdir(directory)))
		unlink(entry->d_name);
	closedir(directory);
	assert_int_equal(chdir(home), 0);
	free(home);
	rmdir(folder);
	if (view && state)
		view->free(state);
	model__free(model);
	return 0;
}

static void begin(const struct view *which)
{
	view = which;
	state = view->begin(model, &options);
	assert_non_null(state);
}

static void at(uint64_t ns)
{
	now_ns = START + ns - 1; /* the next record's time is one more */
}

/* A process that calls malloc in one function. */
static void put_program(uint32_t pid, const char *exe, const char *function)
{
	put_target(pid, exe, exe, 0);
	put_module(pid, 0, exe, 0);
	put_mapping(pid, 0, 0x5000);
	put_name(1, 0, 0x10, function);
	put_stack(pid, 1, 0x5010);
}

static char *content(const char *path)
{
	char *text = file__read_all(path, 1 << 20, NULL);

	if (!text)
		fail_msg("%s cannot be read", path);
	return text;
}

static void expect_line(const char *path, const char *line)
{
	char *text = content(path), *wanted = xasprintf("\n%s\n", line);

	if (!strstr(text, wanted))
		fail_msg("%s has no line '%s':\n%s", path, line, text);
	free(text);
	free(wanted);
}

static unsigned nr_files(void)
{
	DIR *directory = opendir(".");
	struct dirent *entry;
	unsigned nr = 0;

	while ((entry = readdir(directory)))
		nr += entry->d_name[0] != '.';
	closedir(directory);
	return nr;
}

static void slices_by_birth(void **unused)
{
	options.slice_ns = 10 * SECOND;
	begin(&exporter_callgrind);
	put_program(7, "/usr/bin/app", "f");
	at(0);
	put_alloc(7, 0x1000, 5, 1);
	at(10 * SECOND - 1);
	put_alloc(7, 0x2000, 50, 1);
	at(10 * SECOND);
	put_alloc(7, 0x3000, 500, 1);
	at(11 * SECOND);
	put_alloc(7, 0x4000, 9999, 1);
	at(31 * SECOND);
	put_free(7, 0x4000);
	assert_int_equal(view->write_files(state), 0);

	assert_int_equal(nr_files(), 5);
	expect_line("callgrind.out.app.7", "summary: 555 3");
	expect_line("callgrind.out.app.7_slice_0_0-10", "summary: 55 2");
	expect_line("callgrind.out.app.7_slice_1_10-20", "summary: 500 1");
	expect_line("callgrind.out.app.7_slice_2_20-30", "summary: 0 0");
	expect_line("callgrind.out.app.7_slice_3_30-40", "totals: 0 0");
	expect_line("callgrind.out.app.7_slice_0_0-10", "fn=(1) f");
	expect_line("callgrind.out.app.7_slice_0_0-10", "0 55 2");
}

static void slices_of_ended_processes(void **unused)
{
	options.slice_ns = SECOND;
	options.path = "out";
	begin(&exporter_callgrind);
	put_program(7, "/usr/bin/app", "f");
	at(0);
	put_alloc(7, 0x1000, 5, 1);
	put_fork(7, 8, 0);
	at(SECOND);
	put_alloc(8, 0x2000, 70, 1);
	put_end(8, WIRE_END_EXITED, 0);
	assert_int_equal(view->write_files(state), 0);
	assert_int_equal(nr_files(), 5);
	expect_line("out.7", "totals: 5 1");
	expect_line("out.7_slice_0_0-1", "totals: 5 1");
	expect_line("out.8", "totals: 75 2");
	expect_line("out.8_slice_0_0-1", "totals: 5 1");
	expect_line("out.8_slice_1_1-2", "totals: 70 1");
}

static void samples_with_gaps(void **unused)
{
	char *text;

	options.sample_ns = 2 * SECOND;
	begin(&exporter_callgrind);
	put_program(7, "/usr/bin/app", "f");
	at(SECOND);
	put_alloc(7, 0x1000, 5, 1);
	put_alloc(7, 0x2000, 50, 1);
	at(2 * SECOND);
	put_alloc(7, 0x3000, 500, 1);
	at(7 * SECOND + 5);
	put_free(7, 0x2000);
	at(9 * SECOND);
	put_free(7, 0x3000);
	assert_int_equal(view->write_files(state), 0);
	text = content("app.7.samples");
	assert_string_equal(text, "# Runtime\tAlloc Count\tTotal Bytes\n"
				  "0\t0\t0\n2\t3\t555\n4\t3\t555\n6\t3\t555\n8\t2\t505\n"
				  "9\t1\t5\n");
	free(text);
}

static void samples_of_a_child(void **unused)
{
	char *text;

	options.sample_ns = SECOND;
	begin(&exporter_callgrind);
	put_program(7, "/usr/bin/app", "f");
	at(SECOND / 2);
	put_alloc(7, 0x1000, 5, 1);
	at(SECOND * 3 / 2);
	put_alloc(7, 0x2000, 1, 1);
	put_fork(7, 8, 0);
	at(3 * SECOND);
	put_alloc(8, 0x3000, 70, 1);
	assert_int_equal(view->write_files(state), 0);
	text = content("app.8.samples");
	assert_string_equal(text, "# Runtime\tAlloc Count\tTotal Bytes\n2\t2\t6\n3\t3\t76\n");
	free(text);
}

/* The filter counts here as everywhere. */
static void samples_are_filtered(void **unused)
{
	char *text;

	options.sample_ns = SECOND;
	model->filter.min_bytes = 10;
	begin(&exporter_callgrind);
	put_program(7, "/usr/bin/app", "f");
	at(0);
	put_alloc(7, 0x1000, 5, 1);
	put_alloc(7, 0x2000, 50, 1);
	put_free(7, 0x1000);
	at(SECOND);
	put_alloc(7, 0x4000, 7, 1);
	assert_int_equal(view->write_files(state), 0);
	text = content("app.7.samples");
	assert_string_equal(text, "# Runtime\tAlloc Count\tTotal Bytes\n0\t0\t0\n1\t1\t50\n");
	free(text);
}

/* A stranger's stream with strange times. */
static void too_much_is_refused(void **unused)
{
	options.sample_ns = SECOND;
	options.slice_ns = SECOND;
	begin(&exporter_callgrind);
	put_program(7, "/usr/bin/app", "f");
	at(0);
	put_alloc(7, 0x1000, 5, 1);
	now_ns = UINT64_MAX - 10;
	put_alloc(7, 0x2000, 5, 1);
	assert_true(view->write_files(state) < 0);
	assert_int_equal(nr_files(), 0);
}

static void too_many_files(void **unused)
{
	options.slice_ns = SECOND;
	begin(&exporter_callgrind);
	put_program(7, "/usr/bin/app", "f");
	at(9998 * SECOND);
	put_alloc(7, 0x1000, 5, 1);
	at(10001 * SECOND);
	put_alloc(7, 0x2000, 5, 1);
	assert_true(view->write_files(state) < 0);
	assert_int_equal(nr_files(), 0);
}

static void pids_that_come_again(void **unused)
{
	begin(&exporter_callgrind);
	put_program(7, "/usr/bin/app", "f");
	put_alloc(7, 0x1000, 5, 1);
	put_end(7, WIRE_END_EXITED, 0);
	put_target(7, "/usr/bin/two words", "", 0);
	put_alloc(7, 0x1000, 6, 1);
	put_end(7, WIRE_END_EXITED, 0);
	put_target(8, "", "./some/thing else", 0);
	put_alloc(8, 0x1000, 7, 1);
	put_target(9, "/bin/nothing", "", 0);
	assert_int_equal(view->write_files(state), 0);
	assert_int_equal(nr_files(), 3);
	expect_line("callgrind.out.app.7", "totals: 5 1");
	expect_line("callgrind.out.two words.7-2", "totals: 6 1");
	expect_line("callgrind.out.thing.8", "totals: 7 1");
}

static void nothing_was_watched(void **unused)
{
	options.sample_ns = SECOND;
	options.slice_ns = SECOND;
	begin(&exporter_callgrind);
	assert_int_equal(view->write_files(state), 0);
	expect_line("callgrind.out.unknown", "totals: 0 0");
	expect_line("callgrind.out.unknown_slice_0_0-1", "totals: 0 0");
	assert_int_equal(nr_files(), 3);
}

static void not_to_standard_output(void **unused)
{
	options.path = "-";
	options.slice_ns = SECOND;
	assert_null(exporter_callgrind.begin(model, &options));
	options.slice_ns = 0;
	begin(&exporter_callgrind);
	put_program(7, "/usr/bin/app", "f");
	put_alloc(7, 0x1000, 5, 1);
	put_fork(7, 8, 0);
	assert_true(view->write_files(state) < 0);
}

static const char *const hostile[] = { "",
				       "   ",
				       "(3)",
				       "(3) f",
				       "fn=(1)",
				       "a;b",
				       "two\nlines 5",
				       "tab\there",
				       "\x1b[31mred",
				       "\xff\xfe",
				       "ends 12",
				       "summary: 1 1",
				       "# comment",
				       "\xc2\x9b"
				       "31m" };

/* A program named by hostile[i] whose function is, too, written by an exporter. */
static char *write_hostile(const struct view *exporter, size_t i)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	begin(exporter);
	put_program(7, hostile[i], hostile[i]);
	put_alloc(7, 0x1000, 5, 1);
	put_fork(7, 8, 0);
	put_alloc(8, 0x2000, 6, 1);
	assert_int_equal(view->write(state, out), 0);
	fclose(out);
	return text;
}

static void check_printable(const char *text)
{
	for (; *text; text++)
		if (*text != '\n' && ((unsigned char)*text < 0x20 || *text == 0x7f ||
				      ((unsigned char)*text == 0xc2 && (text[1] & 0xe0) == 0x80)))
			fail_msg("byte %02x in: %s", (unsigned char)*text, text);
}

static void again(void)
{
	view->free(state);
	state = NULL;
	model__free(model);
	model = model__new(&(const struct sym_options){ 0 });
	now_ns = START;
}

static void hostile_names_folded(void **unused)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		char *text = write_hostile(&exporter_folded, i), *line, *rest = text;
		unsigned nr = 0;

		check_printable(text);
		while ((line = strsep(&rest, "\n")) && *line) {
			char *number = strrchr(line, ' ');

			/* "PROCESS (PID);FUNCTION BYTES", and no other number behind a blank. */
			assert_non_null(number);
			assert_int_equal(strspn(number + 1, "0123456789"), strlen(number + 1));
			*number = '\0';
			assert_non_null(strchr(line, ';'));
			assert_ptr_equal(strchr(line, ';'), strrchr(line, ';'));
			number = strrchr(strchr(line, ';'), ' ');
			assert_true(!number ||
				    strspn(number + 1, "0123456789.") < strlen(number + 1));
			assert_true(strchr(line, ';')[1]);
			nr++;
		}
		assert_int_equal(nr, 2);
		free(text);
		again();
	}
}

/* Every line is one that the format knows. */
static void check_callgrind(const char *path)
{
	static const char *const begins[] = { "ob=(",	      "fl=(",	       "fn=(",
					      "cob=(",	      "cfi=(",	       "cfn=(",
					      "calls=",	      "totals: 5 1",   "totals: 11 2",
					      "summary: 5 1", "summary: 11 2", "" };
	char *text = content(path), *line, *rest = text;
	bool in_body = false;

	check_printable(text);
	while ((line = strsep(&rest, "\n"))) {
		bool known = !*line || (*line >= '0' && *line <= '9');
		const char *name = strchr(line, ')');

		for (size_t i = 0; begins[i][0]; i++)
			known |= !strncmp(line, begins[i], strlen(begins[i]));
		if (in_body && !known)
			fail_msg("%s: '%s'", path, line);
		/* A number and nothing behind it refers to what was named before. */
		if (in_body && name && name[1])
			assert_true(name[1] == ' ' && name[2] && name[2] != ' ');
		in_body |= !strncmp(line, "events: ", 8);
	}
	assert_true(in_body);
	free(text);
}

static void hostile_names_callgrind(void **unused)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		options.path = "out";
		begin(&exporter_callgrind);
		put_program(7, hostile[i], hostile[i]);
		put_alloc(7, 0x1000, 5, 1);
		put_fork(7, 8, 0);
		put_alloc(8, 0x2000, 6, 1);
		assert_int_equal(view->write_files(state), 0);
		check_callgrind("out.7");
		check_callgrind("out.8");
		again();
	}
}

static void folded_tells_what_is_missing(void **unused)
{
	union long_record record = { .stack = {
					     .id = 1, .nr_frames = 1, .flags = WIRE_STACK_CUT } };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	begin(&exporter_folded);
	put_program(7, "/usr/bin/app", "f");
	record.stack.frames[0] = 0x5010;
	put_record(&record, WIRE_STACK, sizeof(record.stack) + 8, 7);
	put_alloc(7, 0x1000, 70, 1);
	put_alloc(7, 0x2000, 8, 0);
	assert_int_equal(view->write(state, out), 0);
	fclose(out);
	assert_string_equal(text, "(cut);f 70\n?? 8\n");
	free(text);
}

static void pprof_refuses_other_costs(void **unused)
{
	options.report.cost = COST_PEAK;
	options.cost_given = true;
	assert_null(exporter_pprof.begin(model, &options));
}

/* A recording whose times run backwards ends before its peak. */
static void peak_behind_the_end(void **unused)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	options.width = 40;
	begin(&view_timeline);
	put_program(7, "/usr/bin/app", "f");
	at(1u << 30);
	put_alloc(7, 0x1000, 5, 1);
	at(1000000 * SECOND);
	put_alloc(7, 0x2000, 50, 1);
	at(1);
	put_free(7, 0x2000);
	assert_int_equal(view->write(state, out), 0);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "\n                                  peak ^\n"));
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(peak_behind_the_end),	 TEST(slices_by_birth),
		TEST(slices_of_ended_processes), TEST(samples_with_gaps),
		TEST(samples_of_a_child),	 TEST(samples_are_filtered),
		TEST(too_much_is_refused),	 TEST(too_many_files),
		TEST(pids_that_come_again),	 TEST(nothing_was_watched),
		TEST(not_to_standard_output),	 TEST(hostile_names_folded),
		TEST(hostile_names_callgrind),	 TEST(folded_tells_what_is_missing),
		TEST(pprof_refuses_other_costs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
