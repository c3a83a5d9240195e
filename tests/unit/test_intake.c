// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/listen.h"
#include "base/util.h"
#include "dump_fixture.h"
#include "source/intake.h"
#include "trace/header.h"
#include "trace/reader.h"
#include "trace/writer.h"
#include "wire.h"

#define NO_LIMIT UINT64_MAX

static char folder_path[64];
static int folder;

static int set_up(void **state)
{
	strcpy(folder_path, "/tmp/heaptap-test-XXXXXX");
	assert_non_null(mkdtemp(folder_path));
	folder = open(folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0;
}

/* Removes all files; returns how many there were. */
static unsigned sweep(void)
{
	DIR *dir = opendir(folder_path);
	struct dirent *entry;
	unsigned nr = 0;

	while ((entry = readdir(dir)))
		nr += !unlinkat(folder, entry->d_name, 0);
	closedir(dir);
	return nr;
}

static int tear_down(void **state)
{
	sweep();
	close(folder);
	return rmdir(folder_path);
}

/* A recording of one process, as bytes. */
static size_t make_recording(uint8_t *data, size_t size, const char *exe, uint32_t pid)
{
	struct {
		struct wire_target record;
		char exe[256];
	} target = { .record = { .head = { .type = WIRE_TARGET, .pid = pid } } };
	int fd = memfd_create("recording", MFD_CLOEXEC);
	struct trace_writer *writer = trace_writer__new(fd, "test");
	ssize_t len;

	target.record.head.size = (uint16_t)WIRE_PAD8(sizeof(target.record) + strlen(exe));
	target.record.exe_len = (uint32_t)strlen(exe);
	memcpy(target.exe, exe, strlen(exe));
	assert_int_equal(trace_writer__append(writer, &target.record.head), 0);
	assert_int_equal(trace_writer__close(writer), 0);
	len = pread(fd, data, size, 0);
	close(fd);
	assert_true(len > 0 && (size_t)len < size);
	return (size_t)len;
}

/* Hands over len bytes in pieces; the error of the first piece that has one. */
static int send_pieces(struct intake *intake, const uint8_t *data, size_t len, size_t piece)
{
	int err = 0;

	for (size_t at = 0; at < len && !err; at += piece)
		err = intake__take(intake, data + at, min(piece, len - at));
	return err;
}

static size_t size_of(const char *name)
{
	struct stat status;

	assert_int_equal(fstatat(folder, name, &status, 0), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	return (size_t)status.st_size;
}

/* Records of a type in a file. */
static unsigned count(const char *name, uint16_t type)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	const struct wire_head *record;
	const char *reason;
	struct trace_reader *reader = trace_reader__new(fd, &reason);
	unsigned nr = 0;

	assert_non_null(reader);
	while (trace_reader__next(reader, &record) > 0)
		nr += record->type == type;
	trace_reader__free(reader);
	close(fd);
	return nr;
}

static void test_a_recording_is_stored_as_it_comes(void **state)
{
	static uint8_t data[4096], back[4096];
	size_t len = make_recording(data, sizeof(data), "/usr/bin/app", 42);

	for (size_t piece = 1; piece <= len; piece += piece) {
		struct intake *intake = intake__new(folder, NO_LIMIT, piece);
		int fd;

		assert_int_equal(send_pieces(intake, data, len, piece), 0);
		assert_string_equal(intake__finish(intake, false), "app.42.htap");
		assert_null(intake__reason(intake));
		assert_false(intake__is_converted(intake));
		assert_int_equal(intake__bytes(intake), len);
		assert_int_equal(size_of("app.42.htap"), len);
		fd = openat(folder, "app.42.htap", O_RDONLY);
		assert_int_equal(read(fd, back, sizeof(back)), len);
		close(fd);
		assert_memory_equal(back, data, len);
		intake__free(intake);
		assert_int_equal(sweep(), 1);
	}
}

static void test_an_old_stream_is_converted(void **state)
{
	static struct dump_stream stream;

	for (size_t piece = 1; piece < 40; piece++) {
		struct intake *intake = intake__new(folder, NO_LIMIT, 1);
		const char *name;

		stream.used = 0;
		stream.big = piece % 2;
		dump_header(&stream, 100, 77, "./prog");
		dump_alloc(&stream, 101, 0x5000, 40, 0x10444, 0x77001234);
		dump_alloc(&stream, 101, 0x6000, 40, 0x10444, 0x77001234);
		dump_free(&stream, 101, 0x5000);
		assert_int_equal(send_pieces(intake, stream.data, stream.used, piece), 0);
		name = intake__finish(intake, false);
		assert_string_equal(name, "prog.77.htap");
		assert_null(intake__reason(intake));
		assert_true(intake__is_converted(intake));
		assert_int_equal(count(name, WIRE_ALLOC), 2);
		assert_int_equal(count(name, WIRE_END), 2);
		intake__free(intake);
		assert_int_equal(sweep(), 1);
	}
}

/* What was whole is kept: without its end where the sender broke off, with it where we did. */
static void test_what_was_cut_is_kept(void **state)
{
	static struct dump_stream stream;

	stream.used = 0;
	stream.big = false;
	dump_header(&stream, 100, 77, "prog");
	dump_alloc(&stream, 101, 0x5000, 40, 0x10444, 0x77001234);
	dump_free(&stream, 101, 0x5000);
	for (int stopped = 0; stopped < 2; stopped++) {
		struct intake *intake = intake__new(folder, NO_LIMIT, 1);
		const char *name;

		assert_int_equal(intake__take(intake, stream.data, stream.used - 1), 0);
		name = intake__finish(intake, stopped);
		assert_string_equal(name, "prog.77.htap");
		assert_int_equal(!!intake__reason(intake), !stopped);
		assert_int_equal(count(name, WIRE_ALLOC), 1);
		assert_int_equal(count(name, WIRE_FREE), 0);
		assert_int_equal(count(name, WIRE_END), stopped ? 2 : 0);
		intake__free(intake);
		assert_int_equal(sweep(), 1);
	}
}

static void test_nothing_is_kept_of_anything_else(void **state)
{
	static uint8_t recording[4096], broken[4096];
	size_t len = make_recording(recording, sizeof(recording), "/usr/bin/app", 42);
	static const uint8_t zeros[4096];
	static const char web[] = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
	struct {
		const void *data;
		size_t len;
		const char *reason;
	} rows[] = {
		{ "", 0, "is empty" },
		{ web, strlen(web), "is not a heaptap recording" },
		{ web, 5, "ends before it has told what it is" },
		{ zeros, sizeof(zeros), "is not a heaptap recording" },
		{ recording, 30, "ends before it has told what it is" },
		{ broken, len, "has a damaged header" },
	};

	memcpy(broken, recording, len);
	broken[40] ^= 1;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct intake *intake = intake__new(folder, NO_LIMIT, 1);

		send_pieces(intake, rows[i].data, rows[i].len, 7);
		assert_null(intake__finish(intake, false));
		assert_string_equal(intake__reason(intake), rows[i].reason);
		intake__free(intake);
		assert_int_equal(sweep(), 0);
	}
}

static void test_unfinished_leaves_nothing(void **state)
{
	static uint8_t data[4096];
	size_t len = make_recording(data, sizeof(data), "/usr/bin/app", 42);
	struct intake *intake = intake__new(folder, NO_LIMIT, 1);

	assert_int_equal(intake__take(intake, data, len), 0);
	intake__free(intake);
	intake__free(NULL);
	assert_int_equal(sweep(), 0);
}

/* Somebody else's word for a name. */
static void test_names(void **state)
{
	static const struct {
		const char *exe, *name;
	} rows[] = {
		{ "/usr/bin/app", "app.5.htap" },
		{ "../../etc/passwd", "passwd.5.htap" },
		{ "/", "receive.1.htap" },
		{ "", "receive.1.htap" },
		{ "..", "_..5.htap" },
		{ ".profile", "_profile.5.htap" },
		{ "-rf", "_rf.5.htap" },
		{ "a b;rm $(x)`y`'\"", "a_b_rm___x__y___.5.htap" },
		{ "a\n\033[2Jb\x7f", "a___2Jb_.5.htap" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f.5.htap" },
		{ "x\xff\xc2\x9by", "x___y.5.htap" },
	};
	static uint8_t data[4096];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = make_recording(data, sizeof(data), rows[i].exe, 5);
		struct intake *intake = intake__new(folder, NO_LIMIT, 1);

		assert_int_equal(intake__take(intake, data, len), 0);
		assert_string_equal(intake__finish(intake, false), rows[i].name);
		intake__free(intake);
		assert_int_equal(sweep(), 1);
	}
}

static void test_long_names_are_cut(void **state)
{
	static uint8_t data[4096];
	struct intake *intake = intake__new(folder, NO_LIMIT, 1);
	char exe[200];
	size_t len;

	/* A character of two bytes stands across the bound. */
	memset(exe, 'x', sizeof(exe));
	memcpy(exe + 99, "\xc3\xbc", 2);
	exe[sizeof(exe) - 1] = '\0';
	len = make_recording(data, sizeof(data), exe, 5);
	assert_int_equal(intake__take(intake, data, len), 0);
	exe[99] = '\0';
	assert_memory_equal(intake__finish(intake, false), exe, 99);
	intake__free(intake);
	assert_int_equal(sweep(), 1);
}

/* What is there stays: files, and links that lead elsewhere. */
static void test_nothing_is_overwritten(void **state)
{
	static const char *const names[] = { "app.5.htap", "app.5.3.htap", "app.5.4.htap" };
	static uint8_t data[4096];
	size_t len = make_recording(data, sizeof(data), "app", 5);

	assert_int_equal(symlinkat("/nowhere/at/all", folder, "app.5.2.htap"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct intake *intake = intake__new(folder, NO_LIMIT, 1);

		assert_int_equal(intake__take(intake, data, len), 0);
		assert_string_equal(intake__finish(intake, false), names[i]);
		intake__free(intake);
	}
	assert_int_equal(sweep(), 4);
}

static void test_the_bound_of_bytes(void **state)
{
	static uint8_t data[4096];
	size_t len = make_recording(data, sizeof(data), "app", 5);
	const size_t in_the_first_block = 100;
	const size_t bounds[] = { in_the_first_block, len - 1, len, len + 1 };

	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		size_t bound = bounds[i];
		struct intake *intake = intake__new(folder, bound, 1);

		assert_int_equal(send_pieces(intake, data, len, 10), bound < len ? -EFBIG : 0);
		assert_int_equal(intake__bytes(intake), min(bound, len));
		/* Where its records are cut, it does not say whose it is. */
		assert_string_equal(intake__finish(intake, false),
				    bound == in_the_first_block ? "receive.1.htap" : "app.5.htap");
		assert_int_equal(!!intake__reason(intake), bound < len);
		intake__free(intake);
		assert_int_equal(sweep(), 1);
	}
}

static void test_a_folder_that_takes_nothing(void **state)
{
	static uint8_t data[4096];
	size_t len = make_recording(data, sizeof(data), "app", 5);
	int nowhere = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct intake *intake = intake__new(nowhere, NO_LIMIT, 1);

	assert_true(intake__take(intake, data, len) < 0);
	assert_null(intake__finish(intake, false));
	assert_memory_equal(intake__reason(intake), "cannot be written: ", 19);
	intake__free(intake);
	close(nowhere);
}

static void test_places_to_listen_at(void **state)
{
	static const char *const refused[] = { "",	"x",	     ":",	 ":x",
					       ":65536", "host:",    "::1:7000", "1:2:3",
					       "[::1]",	 "[::1]7000", ":-1" };
	struct listeners listeners;
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

	dup2(null, STDERR_FILENO);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(listen__open(&listeners, refused[i]), -EINVAL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	assert_int_equal(listen__open(&listeners, ":0"), 0);
	assert_false(listeners.open_to_others);
	assert_non_null(strstr(listeners.shown, "127.0.0.1:"));
	listen__close(&listeners);
	assert_int_equal(listen__open(&listeners, "127.0.0.1:0"), 0);
	assert_int_equal(listeners.nr, 1);
	assert_false(listeners.open_to_others);
	listen__close(&listeners);
	assert_int_equal(listen__open(&listeners, "*:0"), 0);
	assert_true(listeners.open_to_others);
	listen__close(&listeners);
	assert_int_equal(listen__open(&listeners, "0.0.0.0:0"), 0);
	assert_true(listeners.open_to_others);
	assert_int_equal(listeners.nr, 1);
	listen__close(&listeners);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_recording_is_stored_as_it_comes),
		cmocka_unit_test(test_an_old_stream_is_converted),
		cmocka_unit_test(test_what_was_cut_is_kept),
		cmocka_unit_test(test_nothing_is_kept_of_anything_else),
		cmocka_unit_test(test_unfinished_leaves_nothing),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_names_are_cut),
		cmocka_unit_test(test_nothing_is_overwritten),
		cmocka_unit_test(test_the_bound_of_bytes),
		cmocka_unit_test(test_a_folder_that_takes_nothing),
		cmocka_unit_test(test_places_to_listen_at),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
