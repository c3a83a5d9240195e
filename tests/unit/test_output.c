// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/output.h"
#include "base/util.h"

static char folder[] = "/tmp/heaptap-output-XXXXXX";
static int quiet = -1;

/* A file system on which every file has a name. */
static bool all_have_names;

int openat(int directory, const char *path, int flags, ...)
{
	if (all_have_names && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	/* All of this program's that create something are private. */
	return (int)syscall(SYS_openat, directory, path, flags, 0600);
}

static int enter(void **state)
{
	/* The sentences about what cannot be written are not of interest here. */
	quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(quiet, STDERR_FILENO);
	unsetenv("SUDO_UID");
	return !mkdtemp(folder) || chdir(folder) ? -1 : 0;
}

static int nr_files(void)
{
	DIR *directory = opendir(".");
	struct dirent *entry;
	int nr = 0;

	while ((entry = readdir(directory)))
		nr += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(directory);
	return nr;
}

static int empty_folder(void **state)
{
	DIR *directory = opendir(".");
	struct dirent *entry;

	while ((entry = readdir(directory)))
		if (unlink(entry->d_name))
			rmdir(entry->d_name);
	closedir(directory);
	return nr_files() ? -1 : 0;
}

static int leave(void **state)
{
	empty_folder(state);
	close(quiet);
	return chdir("/") || rmdir(folder) ? -1 : 0;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void assert_content(const char *path, const char *text)
{
	char *content = file__read_all(path, 4096, NULL);

	assert_non_null(content);
	assert_string_equal(content, text);
	free(content);
}

static mode_t mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status.st_mode & 07777;
}

static void put(const char *path, const char *text)
{
	struct output *output = output__open(path);

	assert_non_null(output);
	fputs(text, output__stream(output));
	assert_int_equal(output__commit(output), 0);
}

static void assert_refused(const char *path, int err)
{
	errno = 0;
	assert_null(output__open(path));
	assert_int_equal(errno, err);
}

static void test_new_file(void **state)
{
	struct output *output = output__open("new");

	assert_non_null(output);
	fputs("whole", output__stream(output));
	fflush(output__stream(output));
	assert_int_equal(access("new", F_OK), -1);
	assert_int_equal(nr_files(), all_have_names);
	assert_int_equal(output__commit(output), 0);
	assert_content("new", "whole");
	assert_int_equal(mode_of("new"), 0600);
	assert_int_equal(nr_files(), 1);
}

static void test_abandon(void **state)
{
	struct output *output;

	write_file("there", "before", 0644);
	output = output__open("there");
	assert_non_null(output);
	fputs("half", output__stream(output));
	output__abandon(output);
	output__abandon(NULL);
	assert_content("there", "before");
	assert_int_equal(nr_files(), 1);
}

static void test_replace(void **state)
{
	char absolute[PATH_MAX];
	int reader;
	char old[16] = "";

	write_file("there", "before", 0640);
	reader = open("there", O_RDONLY | O_CLOEXEC);
	snprintf(absolute, sizeof(absolute), "%s/there", folder);
	put(absolute, "after");
	assert_content("there", "after");
	assert_int_equal(mode_of("there"), 0640);
	/* Who has the old one open reads on in it. */
	assert_int_equal(read(reader, old, sizeof(old)), 6);
	assert_string_equal(old, "before");
	close(reader);
	assert_int_equal(nr_files(), 1);
}

static void test_name_as_long_as_can_be(void **state)
{
	char name[NAME_MAX + 1];

	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	put(name, "x");
	assert_content(name, "x");
}

static void test_link(void **state)
{
	char target[16];

	assert_int_equal(mkdir("other", 0700), 0);
	write_file("other/real", "before", 0600);
	assert_int_equal(symlink("other/real", "link"), 0);
	put("link", "after");
	assert_int_equal(readlink("link", target, sizeof(target)), 10);
	assert_content("other/real", "after");
	assert_int_equal(unlink("other/real"), 0);
	/* Now it leads nowhere. */
	assert_refused("link", ENOENT);
	assert_int_equal(nr_files(), 2);
	assert_int_equal(rmdir("other"), 0); /* nothing temporary was left in it */
}

static void test_link_loop(void **state)
{
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_refused("loop", ELOOP);
	assert_int_equal(nr_files(), 1);
}

static void test_refused(void **state)
{
	assert_int_equal(mkdir("directory", 0700), 0);
	assert_refused("directory", EISDIR);
	assert_refused("directory/", EISDIR);
	assert_refused(".", EISDIR);
	assert_refused("missing/file", ENOENT);
	assert_refused("", ENOENT);
	write_file("file", "x", 0600);
	assert_refused("file/below", ENOTDIR);
	assert_int_equal(nr_files(), 2);
}

static void test_read_only(void **state)
{
	write_file("mine", "before", 0400);
	if (!access("mine", W_OK))
		skip(); /* root may */
	assert_refused("mine", EACCES);
	assert_content("mine", "before");
}

static void test_special_files(void **state)
{
	struct stat status;
	char text[16] = "";
	int reader;

	assert_int_equal(mkfifo("fifo", 0600), 0);
	reader = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(symlink("fifo", "link"), 0);
	put("link", "through");
	assert_int_equal(read(reader, text, sizeof(text)), 7);
	assert_string_equal(text, "through");
	close(reader);
	assert_int_equal(lstat("fifo", &status), 0);
	assert_true(S_ISFIFO(status.st_mode));
}

/* The shell's ">file" with -o /dev/stdout: what is in the file already stays in front. */
static void test_standard_output(void **state)
{
	int saved = dup(STDOUT_FILENO);
	struct stat status;
	int fd;

	fflush(stdout);
	fd = open("out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	dup2(fd, STDOUT_FILENO);
	assert_int_equal(dprintf(STDOUT_FILENO, "one "), 4);
	/* As /dev/stdout is; a link of our own, for a test that fails must not harm that. */
	assert_int_equal(symlink("/proc/self/fd/1", "stdout"), 0);
	put("stdout", "two ");
	put("-", "three ");
	put("out", "four");
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(fd);
	assert_content("out", "one two three four");
	assert_int_equal(lstat("stdout", &status), 0);
	assert_true(S_ISLNK(status.st_mode));
}

/* Nothing below /dev is written to: where root runs a test that fails, that would be replaced. */
static void test_nobody_reads(void **state)
{
	struct output *output;
	struct stat status;
	int reader;

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	reader = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	output = output__open("fifo");
	assert_non_null(output);
	fputs("x", output__stream(output));
	close(reader);
	assert_int_equal(output__commit(output), -EPIPE);
	assert_int_equal(lstat("fifo", &status), 0);
	assert_true(S_ISFIFO(status.st_mode));
}

/* An error that showed in the middle must not be forgotten at the end. */
static void test_failed_write(void **state)
{
	struct output *output;
	int full;

	write_file("there", "before", 0600);
	output = output__open("there");
	assert_non_null(output);
	fputs("half", output__stream(output));
	fflush(output__stream(output));
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	dup2(full, fileno(output__stream(output)));
	close(full);
	fputs("other half", output__stream(output));
	fflush(output__stream(output));
	assert_true(output__commit(output) < 0);
	assert_content("there", "before");
	assert_int_equal(nr_files(), 1);
}

static void test_many(void **state)
{
	struct output *outputs[20];
	char name[8];

	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++)
		assert_non_null(outputs[i] = output__open("same"));
	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		fprintf(output__stream(outputs[i]), "%zu", i);
		assert_int_equal(output__commit(outputs[i]), 0);
		snprintf(name, sizeof(name), "%zu", i);
		assert_content("same", name);
	}
	assert_int_equal(nr_files(), 1);
}

static int with_names(void **state)
{
	all_have_names = true;
	return 0;
}

static int without_names(void **state)
{
	all_have_names = false;
	return empty_folder(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_new_file, empty_folder),
		cmocka_unit_test_teardown(test_abandon, empty_folder),
		cmocka_unit_test_teardown(test_replace, empty_folder),
		cmocka_unit_test_teardown(test_name_as_long_as_can_be, empty_folder),
		cmocka_unit_test_teardown(test_link, empty_folder),
		cmocka_unit_test_teardown(test_link_loop, empty_folder),
		cmocka_unit_test_teardown(test_refused, empty_folder),
		cmocka_unit_test_teardown(test_read_only, empty_folder),
		cmocka_unit_test_teardown(test_special_files, empty_folder),
		cmocka_unit_test_teardown(test_standard_output, empty_folder),
		cmocka_unit_test_teardown(test_nobody_reads, empty_folder),
		cmocka_unit_test_teardown(test_failed_write, empty_folder),
		cmocka_unit_test_teardown(test_many, empty_folder),
		cmocka_unit_test_setup_teardown(test_new_file, with_names, without_names),
		cmocka_unit_test_setup_teardown(test_abandon, with_names, without_names),
		cmocka_unit_test_setup_teardown(test_replace, with_names, without_names),
		cmocka_unit_test_setup_teardown(test_name_as_long_as_can_be, with_names,
						without_names),
		cmocka_unit_test_setup_teardown(test_failed_write, with_names, without_names),
		cmocka_unit_test_setup_teardown(test_many, with_names, without_names),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
