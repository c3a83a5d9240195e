// SPDX-License-Identifier: BSD-2-Clause
/* The cache of unwind tables: what is stored comes back, and nothing else is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "unwind/cache.h"
#include "unwind/cache_file.h"

static char root[] = "/tmp/heaptap-test-cache-XXXXXX";
static int folder = -1;

static void remove_tree(const char *path)
{
	char *command = xasprintf("rm -rf '%s'", path);

	if (system(command))
		print_message("# %s could not be removed\n", path);
	free(command);
}

static int make_root(void **state)
{
	strcpy(root + sizeof(root) - 7, "XXXXXX");
	if (!mkdtemp(root))
		return -1;
	folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0;
}

static int remove_root(void **state)
{
	close(folder);
	remove_tree(root);
	return 0;
}

/* The only file in the folder. */
static const char *only_file(void)
{
	static char name[256];
	struct dirent *entry;
	DIR *dir = opendir(root);
	unsigned nr = 0;

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s", entry->d_name);
		nr++;
	}
	closedir(dir);
	assert_int_equal(nr, 1);
	return name;
}

static struct unwind_table *small_table(void)
{
	struct rows_builder *builder = rows_builder__new();
	struct unwind_table *table;

	for (int i = 0; i < 3; i++) {
		struct unwind_rule rule = { .cfa = UNWIND_CFA_RSP, .cfa_offset = 8 * (i + 1) };
		uint64_t start = 0x1000 + (uint64_t)i * 32;

		assert_int_equal(rows_builder__add(builder, start, start + 16, &rule), 0);
	}
	table = rows_builder__finish(builder);
	rows_builder__free(builder);
	return table;
}

static void assert_equal(const struct unwind_table *a, const struct unwind_table *b)
{
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(a->base, b->base);
	assert_int_equal(a->nr_rows, b->nr_rows);
	assert_int_equal(a->nr_rules, b->nr_rules);
	assert_memory_equal(a->rows, b->rows, a->nr_rows * sizeof(*a->rows));
	assert_memory_equal(a->rules, b->rules, a->nr_rules * sizeof(*a->rules));
}

static void stored_tables_come_back(void **state)
{
	struct cache_key key = { .id = "one", .id_len = 3 }, other = { .id = "two", .id_len = 3 };
	struct rows_builder *builder = rows_builder__new();
	struct unwind_table *empty = rows_builder__finish(builder);
	struct unwind_table *table = small_table(), *loaded;

	assert_null(cache_file__load(folder, &key));
	assert_int_equal(cache_file__store(folder, &key, table), 0);
	only_file();
	loaded = cache_file__load(folder, &key);
	assert_equal(loaded, table);
	unwind_table__free(loaded);
	assert_null(cache_file__load(folder, &other));
	/* Replacing, and a table without rows. */
	assert_int_equal(cache_file__store(folder, &key, empty), 0);
	loaded = cache_file__load(folder, &key);
	assert_equal(loaded, empty);
	unwind_table__free(loaded);
	/* Another's under our name. */
	assert_int_equal(renameat(folder, only_file(), folder, "x"), 0);
	assert_int_equal(cache_file__store(folder, &other, table), 0);
	unlinkat(folder, "x", 0);
	assert_null(cache_file__load(folder, &key));
	rows_builder__free(builder);
	unwind_table__free(empty);
	unwind_table__free(table);
}

static void damaged_files_are_not_believed(void **state)
{
	struct cache_key key = { .id = "one", .id_len = 3 };
	struct unwind_table *table = small_table();
	uint8_t contents[1024];
	const char *name;
	ssize_t len;
	int fd;

	assert_int_equal(cache_file__store(folder, &key, table), 0);
	name = only_file();
	fd = openat(folder, name, O_RDWR | O_CLOEXEC);
	len = read(fd, contents, sizeof(contents));
	assert_in_range(len, 100, sizeof(contents) - 1);
	for (ssize_t i = 0; i < len; i++) {
		uint8_t wrong = contents[i] ^ (uint8_t)(1u << i % 8);

		assert_int_equal(pwrite(fd, &wrong, 1, i), 1);
		assert_null(cache_file__load(folder, &key));
		assert_int_equal(pwrite(fd, &contents[i], 1, i), 1);
	}
	assert_int_equal(pwrite(fd, "", 1, len), 1);
	assert_null(cache_file__load(folder, &key));
	for (ssize_t i = len - 1; i >= 0; i--) {
		assert_int_equal(ftruncate(fd, i), 0);
		assert_null(cache_file__load(folder, &key));
	}
	close(fd);
	unwind_table__free(table);
}

/* Right checksums are no excuse. */
static void wrong_tables_are_not_believed(void **state)
{
	struct cache_key key = { .id = "one", .id_len = 3 };

	for (unsigned damage = 0; damage < 7; damage++) {
		struct unwind_table *table = small_table();

		if (damage == 0)
			table->rows[1].rule = (uint16_t)table->nr_rules;
		else if (damage == 1)
			table->rows[0].rule = 0xffff;
		else if (damage == 2)
			table->rows[2].pc = table->rows[1].pc;
		else if (damage == 3)
			table->rows[1].pad = 1;
		else if (damage == 4)
			table->rules[0].cfa = UNWIND_CFA_RSP; /* no all-zero rule any more */
		else if (damage == 5)
			table->rules[2].cfa = UNWIND_CFA_END + 1;
		else
			table->rules[2].rbp = UNWIND_RBP_AT_RBP + 1;
		assert_int_equal(cache_file__store(folder, &key, table), 0);
		assert_null(cache_file__load(folder, &key));
		unwind_table__free(table);
	}
}

static void odd_files_are_not_believed(void **state)
{
	struct cache_key key = { .id = "one", .id_len = 3 };
	struct unwind_table *table = small_table(), *loaded;
	const char *name;

	assert_int_equal(cache_file__store(folder, &key, table), 0);
	name = only_file();
	assert_int_equal(fchmodat(folder, name, 0622, 0), 0);
	assert_null(cache_file__load(folder, &key));
	assert_int_equal(fchmodat(folder, name, 0600, 0), 0);
	if (!geteuid()) {
		assert_int_equal(fchownat(folder, name, 12345, -1, 0), 0);
		assert_null(cache_file__load(folder, &key));
		assert_int_equal(fchownat(folder, name, 0, -1, 0), 0);
	}
	assert_int_equal(renameat(folder, name, folder, ".moved"), 0);
	assert_int_equal(symlinkat(".moved", folder, name), 0);
	assert_null(cache_file__load(folder, &key));
	unlinkat(folder, name, 0);
	assert_int_equal(mkfifoat(folder, name, 0600), 0);
	assert_null(cache_file__load(folder, &key));
	unlinkat(folder, name, 0);
	assert_int_equal(renameat(folder, ".moved", folder, name), 0);
	loaded = cache_file__load(folder, &key);
	assert_equal(loaded, table);
	unwind_table__free(loaded);
	unwind_table__free(table);
}

static void oldest_files_go_first(void **state)
{
	struct unwind_table *table = small_table();
	struct cache_key key = { .id_len = 1 };
	struct stat status;
	uint64_t size;

	for (unsigned i = 0; i < 10; i++) {
		struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1000 - i } };
		char name[16];

		key.id[0] = (uint8_t)i;
		assert_int_equal(cache_file__store(folder, &key, table), 0);
		snprintf(name, sizeof(name), "file%u", i);
		assert_int_equal(renameat(folder, only_file(), folder, name), 0);
		assert_int_equal(utimensat(folder, name, times, 0), 0);
		/* Out of only_file's sight. */
		snprintf(name, sizeof(name), ".file%u", i);
		assert_int_equal(renameat(folder, name + 1, folder, name), 0);
	}
	assert_int_equal(fstatat(folder, ".file0", &status, 0), 0);
	size = (uint64_t)status.st_size;
	cache_file__prune(folder, 10 * size);
	assert_int_equal(faccessat(folder, ".file9", F_OK, 0), 0);
	cache_file__prune(folder, 4 * size);
	assert_int_equal(faccessat(folder, ".file0", F_OK, 0), 0);
	assert_int_equal(faccessat(folder, ".file3", F_OK, 0), 0);
	assert_int_equal(faccessat(folder, ".file4", F_OK, 0), -1);
	assert_int_equal(faccessat(folder, ".file9", F_OK, 0), -1);
	cache_file__prune(-1, 0);
	unwind_table__free(table);
}

static void full_disk_leaves_nothing(void **state)
{
	struct cache_key key = { .id = "one", .id_len = 3 };
	struct unwind_table *table = small_table();
	struct rlimit limit, small;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){ .rlim_cur = 100, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(cache_file__store(folder, &key, table), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	/* An empty folder can be removed. */
	assert_int_equal(rmdir(root), 0);
	assert_int_equal(mkdir(root, 0700), 0);
	unwind_table__free(table);
}

/* What heaptap sees of a file: 0 no table, 1 compiled, 2 from the cache. */
static int look_up(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), seen;
	struct unwind_table *table;
	const char *problem;
	bool from_cache;

	table = cache__table(fd, &problem, &from_cache);
	seen = !table ? 0 : from_cache ? 2 : 1;
	if (table && table->nr_rows < 10)
		seen = 0;
	unwind_table__free(table);
	close(fd);
	return seen;
}

/* Runs steps as somebody who is not root, with a cache below root; the failed step's number. */
static int as_user(int (*steps)(void))
{
	pid_t pid;
	int status;

	if (!geteuid())
		assert_int_equal(chown(root, 65534, 65534), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (!geteuid() && (setgid(65534) || setuid(65534)))
			_exit(99);
		setenv("XDG_CACHE_HOME", root, 1);
		_exit(steps());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int steps_in_order(void)
{
	char *path = xasprintf("%s/heaptap", root), *elsewhere = xasprintf("%s/elsewhere", root);
	struct stat status;

	if (look_up("/bin/sh") != 1 || look_up("/bin/sh") != 2)
		return 1;
	if (stat(path, &status) || (status.st_mode & 07777) != 0700)
		return 2;
	chmod(path, 0750); /* others may look: not used, and not mended */
	if (look_up("/bin/sh") != 1)
		return 3;
	chmod(path, 0700);
	if (look_up("/bin/sh") != 2)
		return 4;
	if (rename(path, elsewhere) || symlink(elsewhere, path) || look_up("/bin/sh") != 1)
		return 5;
	unlink(path);
	if (look_up("/bin/sh") != 1 || look_up("/bin/sh") != 2) /* made anew */
		return 6;
	setenv("XDG_CACHE_HOME", "relative", 1);
	setenv("HOME", root, 1);
	if (look_up("/bin/sh") != 1 || look_up("/bin/sh") != 2)
		return 7;
	free(path);
	free(elsewhere);
	return 0;
}

static void folder_is_checked(void **state)
{
	assert_int_equal(as_user(steps_in_order), 0);
}

static int steps_without_a_place(void)
{
	setenv("XDG_CACHE_HOME", "/proc/nothing", 1);
	unsetenv("HOME");
	if (look_up("/bin/sh") != 1 || look_up("/bin/sh") != 1)
		return 1;
	unsetenv("XDG_CACHE_HOME");
	if (look_up("/bin/sh") != 1)
		return 2;
	/* Errors are the compiler's. */
	if (look_up("/etc/passwd") != 0 || errno != ENOEXEC)
		return 3;
	return 0;
}

static void no_folder_is_no_error(void **state)
{
	assert_int_equal(as_user(steps_without_a_place), 0);
}

static int steps_with_copies(void)
{
	char *copy = xasprintf("%s/copy", root), *foreign = xasprintf("%s/foreign", root);
	int expected = access(foreign, F_OK) ? 0 : 1;

	/* Somebody else's file with sh's build-id does not speak for sh... */
	if (look_up(foreign) != expected)
		return 1;
	if (look_up("/bin/sh") != 1)
		return 2;
	/* ...but our own copy is as good. */
	if (look_up(copy) != 2)
		return 3;
	/* Without a build-id to trust: the same file, until it changes. */
	if (chmod(copy, 0666) || look_up(copy) != 1 || look_up(copy) != 2)
		return 4;
	usleep(20000);
	if (chmod(copy, 0662) || look_up(copy) != 1)
		return 5;
	free(copy);
	free(foreign);
	return 0;
}

static void build_ids_are_trusted_where_they_may_be(void **state)
{
	char *command = xasprintf("cp /bin/sh %s/copy && chmod 755 %s/copy", root, root);
	char *path = xasprintf("%s/copy", root), *foreign = xasprintf("%s/foreign", root);

	assert_int_equal(system(command), 0);
	if (!geteuid()) {
		free(command);
		command = xasprintf("cp %s %s && chmod 755 %s && chown 12345 %s", path, foreign,
				    foreign, foreign);
		assert_int_equal(system(command), 0);
		assert_int_equal(chown(path, 65534, 65534), 0);
	}
	assert_int_equal(as_user(steps_with_copies), 0);
	free(command);
	free(path);
	free(foreign);
}

static void large_tables_load_fast(void **state)
{
	struct rows_builder *builder = rows_builder__new();
	struct cache_key key = { .id = "one", .id_len = 3 };
	struct unwind_table *table, *loaded;
	uint64_t start;

	for (uint64_t i = 0; i < 1u << 20; i++) {
		struct unwind_rule rule = { .cfa = UNWIND_CFA_RSP, .cfa_offset = (int)(i % 1000) };

		rows_builder__add(builder, i * 16, i * 16 + 16, &rule);
	}
	table = rows_builder__finish(builder);
	assert_true(table->nr_rows > 1u << 20);
	assert_int_equal(cache_file__store(folder, &key, table), 0);
	start = clock__monotonic_ns();
	loaded = cache_file__load(folder, &key);
	start = clock__monotonic_ns() - start;
	print_message("# a million rows in %.1f ms\n", (double)start / 1e6);
	assert_true(start < 3 * NSEC_PER_SEC / 10);
	assert_equal(loaded, table);
	unwind_table__free(loaded);
	unwind_table__free(table);
	rows_builder__free(builder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stored_tables_come_back),
		TEST(damaged_files_are_not_believed),
		TEST(wrong_tables_are_not_believed),
		TEST(odd_files_are_not_believed),
		TEST(oldest_files_go_first),
		TEST(full_disk_leaves_nothing),
		TEST(folder_is_checked),
		TEST(no_folder_is_no_error),
		TEST(build_ids_are_trusted_where_they_may_be),
		TEST(large_tables_load_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
