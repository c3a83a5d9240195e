// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer: a database of call paths that somebody has edited, and the log of a run. The input is
 * paths.jsonl, and behind a NUL the file of what is known; the log is both. What was read is
 * written and read again, and must be the same.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "fail/database.h"
#include "fail/paths.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/heaptap-fuzz-XXXXXX";

static void expect(bool is_so)
{
	if (!is_so)
		abort();
}

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", directory, name);
}

static void remove_all(void)
{
	static const char *const names[] = { "paths.jsonl", "known", "lock", "log" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *path = path_of(names[i]);

		unlink(path);
		free(path);
	}
	rmdir(directory);
}

static void write_file(const char *name, const uint8_t *data, size_t size)
{
	char *path = path_of(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	expect(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	free(path);
}

static char *text_of(const struct fail_path *path, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	fail_path__write(path, out);
	fclose(out);
	return text;
}

/* Written, read, and written again. The caller frees it. */
static char *rewrite(const struct fail_path *path, size_t *len)
{
	char *text = text_of(path, len);
	struct fail_path again;

	expect(!memchr(text, '\n', *len) && fail_path__read(&again, text, *len));
	free(text);
	text = text_of(&again, len);
	fail_path__clear(&again);
	return text;
}

/* A line that was written is a path, and the same; but what is no UTF-8 is replaced. */
static void check_path(const struct fail_path *path)
{
	size_t len, last_len;
	char *text = rewrite(path, &len), *last;
	struct fail_path again;

	expect(path->stack.nr <= FAIL_MAX_FRAMES && path->leaks.nr <= FAIL_MAX_LEAKS);
	expect(fail_path__read(&again, text, len));
	last = rewrite(&again, &last_len);
	expect(len == last_len && !memcmp(text, last, len));
	fail_path__clear(&again);
	free(last);
	free(text);
}

static void check_database(struct fail_database *database)
{
	for (size_t i = 0; i < database->nr; i++) {
		expect(fail_database__find(database, database->paths[i].id) == &database->paths[i]);
		check_path(&database->paths[i]);
	}
}

/* One more path comes in, whatever is there already. */
static void add_to(struct fail_database *database)
{
	struct fail_path path = {
		.id = 7, .verdict = FAIL_HANG, .exit_status = -1, .client_status = -1
	};

	expect(!fail_database__add(database, &path));
	expect(!fail_database__reload(database));
	expect(fail_database__find(database, 7)->verdict == FAIL_HANG);
	expect(fail_database__find(database, 7)->is_new);
	check_database(database);
}

static void read_log(void)
{
	struct fail_paths failed = { 0 };
	char *path = path_of("log");

	expect(!fail_paths__read_log(&failed, path));
	for (size_t i = 0; i < failed.nr; i++) {
		expect(fail_paths__find(&failed, failed.paths[i].id) == &failed.paths[i]);
		check_path(&failed.paths[i]);
	}
	fail_paths__clear(&failed);
	free(path);
}

static void read_lines(const uint8_t *data, size_t size)
{
	const uint8_t *end;
	struct fail_path path;
	size_t len;

	for (; size; data += len, size -= len) {
		end = memchr(data, '\n', size);
		len = end ? (size_t)(end - data) : size;
		if (fail_path__read(&path, (const char *)data, len)) {
			check_path(&path);
			fail_path__clear(&path);
		}
		len += !!end;
	}
}

static void read_files(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
	size_t len = nul ? (size_t)(nul - data) : size, nr;
	struct fail_database database;

	if (strchr(directory, 'X')) {
		expect(mkdtemp(directory));
		atexit(remove_all);
	}
	write_file("paths.jsonl", data, len);
	write_file("known", nul ? nul + 1 : data, nul ? size - len - 1 : 0);
	write_file("log", data, size);
	expect(!fail_database__open(&database, directory, NULL, true));
	check_database(&database);
	fail_database__close(&database);
	/* Opened to be written, what nobody has tried is forgotten: for good. */
	expect(!fail_database__open(&database, directory, NULL, false));
	nr = database.nr;
	fail_database__close(&database);
	expect(!fail_database__open(&database, directory, NULL, false) && database.nr == nr);
	add_to(&database);
	fail_database__close(&database);
	read_log();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Files take their time. */
	if (size && *data == ' ')
		read_lines(data, size);
	else
		read_files(data, size);
	return 0;
}
