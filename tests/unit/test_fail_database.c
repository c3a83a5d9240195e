// SPDX-License-Identifier: BSD-2-Clause
/* heaptap fail: the database of call paths, whatever there is in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "fail/database.h"

static char *directory;

static int make_directory(void **state)
{
	directory = xstrdup("/tmp/heaptap-test-XXXXXX");
	return !mkdtemp(directory);
}

static int remove_directory(void **state)
{
	char *command = xasprintf("rm -r %s", directory);
	int status = system(command);

	free(command);
	free(directory);
	return status;
}

static void write_file(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", directory, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	free(path);
}

static struct fail_path crash_of(uint64_t id)
{
	struct fail_path path = { .id = id,
				  .function = xstrdup("malloc"),
				  .size = 12,
				  .verdict = FAIL_CRASH,
				  .signal = SIGSEGV,
				  .exit_status = -1,
				  .client_status = 2,
				  .run = 3 };
	struct fail_leak leak = { .blocks = 4, .bytes = 44 };

	fail_stack__add(&path.stack, "/a \"b\"\n", "00ff", 0x123);
	fail_stack__add(&path.crash_stack, NULL, NULL, UINT64_MAX);
	fail_stack__add(&leak.stack, "/b", NULL, 5);
	fail_leaks__add(&path.leaks, &leak);
	path.leaks.blocks = 40; /* of more stacks than are kept */
	return path;
}

static void open_database(struct fail_database *database)
{
	assert_int_equal(fail_database__open(database, directory, NULL, false), 0);
}

static void test_a_path_comes_back(void **state)
{
	struct fail_path path = crash_of(0xabc), *found;
	struct fail_database database;

	open_database(&database);
	assert_int_equal(fail_database__add(&database, &path), 0);
	fail_database__close(&database);
	open_database(&database);
	found = fail_database__find(&database, 0xabc);
	assert_non_null(found);
	assert_string_equal(found->function, "malloc");
	assert_int_equal(found->size, 12);
	assert_int_equal(found->verdict, FAIL_CRASH);
	assert_int_equal(found->signal, SIGSEGV);
	assert_int_equal(found->exit_status, -1);
	assert_int_equal(found->client_status, 2);
	assert_int_equal(found->run, 3);
	assert_false(found->is_new);
	assert_int_equal(found->stack.nr, 1);
	assert_string_equal(found->stack.frames[0].module, "/a \"b\"\n");
	assert_string_equal(found->stack.frames[0].build_id, "00ff");
	assert_int_equal(found->stack.frames[0].offset, 0x123);
	assert_null(found->crash_stack.frames[0].module);
	assert_int_equal(found->leaks.blocks, 40);
	assert_int_equal(found->leaks.bytes, 44);
	assert_int_equal(found->leaks.worst[0].blocks, 4);
	assert_string_equal(found->leaks.worst[0].stack.frames[0].module, "/b");
	assert_true(found->crash_stack.frames[0].offset == UINT64_MAX);
	fail_database__close(&database);
}

static void test_two_share_a_directory(void **state)
{
	struct fail_path one = crash_of(1), two = crash_of(2), again = crash_of(1);
	struct fail_database a, b;

	open_database(&a);
	open_database(&b);
	again.verdict = FAIL_SURVIVED;
	assert_int_equal(fail_database__add(&a, &one), 0);
	assert_int_equal(fail_database__add(&b, &two), 0);
	assert_int_equal(fail_database__add(&b, &again), 0);
	assert_int_equal(fail_database__reload(&a), 0);
	assert_int_equal(a.nr, 2);
	assert_int_equal(fail_database__find(&a, 1)->verdict, FAIL_SURVIVED);
	assert_int_equal(fail_database__find(&a, 2)->verdict, FAIL_CRASH);
	fail_database__close(&a);
	fail_database__close(&b);
}

static void test_what_was_broken_off_is_forgotten(void **state)
{
	struct fail_path path = crash_of(0x11);
	struct fail_database database, second;
	char *text;

	open_database(&database);
	assert_int_equal(fail_database__add(&database, &path), 0);
	write_file("known", "0000000000000011\nnonsense\n0000000000000022\n00000000000");
	/* Somebody's run may be what it is for. */
	open_database(&second);
	assert_non_null(fail_database__find(&second, 0x22));
	fail_database__close(&second);
	fail_database__close(&database);
	open_database(&database);
	assert_null(fail_database__find(&database, 0x22));
	text = file__read_all(database.known, 1000, NULL);
	assert_string_equal(text, "0000000000000011\n");
	free(text);
	fail_database__close(&database);
}

static void test_anything_is_read(void **state)
{
	struct fail_database database;

	write_file("paths.jsonl",
		   "{}\n[]\nx\n{\"id\":\"12\"}\n{\"id\":\"00000000000000zz\"}\n"
		   "{\"id\":\"0000000000000001\",\"signal\":99999,\"exit_status\":-4,"
		   "\"verdict\":\"good\",\"stack\":[1,{},{\"offset\":\"a\"},[]],\"size\":1e9}\n"
		   "{\"id\":\"0000000000000002\",\"verdict\":\"hang\"");
	assert_int_equal(fail_database__open(&database, directory, NULL, true), 0);
	assert_int_equal(database.nr, 1);
	assert_int_equal(database.paths[0].verdict, FAIL_UNTRIED);
	assert_int_equal(database.paths[0].signal, 64);
	assert_int_equal(database.paths[0].stack.nr, 1);
	fail_database__close(&database);
}

static void test_a_torn_line_takes_no_other_with_it(void **state)
{
	struct fail_path path = crash_of(3);
	struct fail_database database;

	write_file("paths.jsonl", "{\"id\":\"0000000000000002\",\"verd");
	open_database(&database);
	assert_int_equal(fail_database__add(&database, &path), 0);
	fail_database__close(&database);
	open_database(&database);
	assert_int_equal(database.nr, 1);
	assert_int_equal(fail_database__find(&database, 3)->verdict, FAIL_CRASH);
	fail_database__close(&database);
}

static void refuse_database(void)
{
	struct fail_database database;

	assert_true(fail_database__open(&database, directory, NULL, false) < 0);
	fail_database__close(&database);
	assert_true(fail_database__open(&database, directory, NULL, true) < 0);
	fail_database__close(&database);
}

static void test_what_is_no_file_is_not_waited_for(void **state)
{
	static const char *const names[] = { "paths.jsonl", "known" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *path = xasprintf("%s/%s", directory, names[i]);

		assert_int_equal(mkfifo(path, 0600), 0);
		refuse_database();
		assert_int_equal(unlink(path), 0);
		assert_int_equal(symlink("/dev/zero", path), 0);
		refuse_database();
		assert_int_equal(unlink(path), 0);
		free(path);
	}
}

static void test_a_file_that_forgets_is_noticed(void **state)
{
	struct fail_database database;

	open_database(&database);
	write_file("known", "0000000000000011\n0000000000000012");
	assert_int_equal(fail_database__check_known(&database, 0x11), 0);
	assert_int_equal(fail_database__check_known(&database, 0x12), 0);
	assert_int_equal(fail_database__check_known(&database, 0x13), -EIO);
	fail_database__close(&database);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_path_comes_back, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(test_two_share_a_directory, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(test_what_was_broken_off_is_forgotten,
						make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(test_anything_is_read, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(test_a_torn_line_takes_no_other_with_it,
						make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(test_what_is_no_file_is_not_waited_for,
						make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(test_a_file_that_forgets_is_noticed, make_directory,
						remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
