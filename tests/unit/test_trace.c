// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/hash.h"
#include "base/util.h"
#include "trace/block.h"
#include "trace/header.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "trace/writer.h"
#include "trace_fixture.h"
#include "wire.h"

static void test_round_trip(void **state)
{
	static struct stream stream;
	const char *reason;
	struct trace_reader *reader;
	size_t length;
	int fd;

	stream.used = 0;
	while (stream.used < sizeof(stream.words) - 2 * WIRE_MAX_RECORD)
		add_random_record(&stream);
	add_record(&stream, 999, WIRE_MAX_RECORD);
	fd = write_stream(&stream, 0);
	reader = trace_reader__new(fd, &reason);
	assert_non_null(reader);
	assert_int_equal(trace_reader__bytes(reader), HEADER_SIZE);
	assert_int_equal(read_prefix(reader, &stream, &length), 0);
	assert_int_equal(length, stream.used);
	assert_int_equal(trace_reader__bytes(reader), lseek(fd, 0, SEEK_END));
	trace_reader__free(reader);
	trace_reader__free(NULL);
	close(fd);
}

static void test_empty_recording(void **state)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));
	int fd = write_stream(stream, 0);
	size_t len, length;
	char *data = contents(fd, &len);

	/* The header, and a footer that says so. */
	assert_int_equal(len,
			 HEADER_SIZE + sizeof(struct block_header) + sizeof(struct wire_footer));
	assert_int_equal(read_bytes(data, len, stream, &length), 0);
	free(data);
	free(stream);
	close(fd);
}

static void test_anchor(void **state)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));
	int fd = write_stream(stream, 0);
	const char *reason;
	struct trace_reader *reader = trace_reader__new(fd, &reason);
	uint64_t monotonic, realtime;

	trace_reader__anchor(reader, &monotonic, &realtime);
	assert_in_range(clock__monotonic_ns() - monotonic, 0, 10 * NSEC_PER_SEC);
	assert_in_range(clock__realtime_ns() - realtime, 0, 10 * NSEC_PER_SEC);
	trace_reader__free(reader);
	free(stream);
	close(fd);
}

static void check_refusal(const void *data, size_t len, int err, const char *part)
{
	int fd = memory_file(data, len);
	const char *reason = NULL;

	errno = 0;
	assert_null(trace_reader__new(fd, &reason));
	assert_int_equal(errno, err);
	assert_non_null(strstr(reason, part));
	close(fd);
}

static void seal(struct trace_header *header)
{
	header->checksum = hash__bytes(header, offsetof(struct trace_header, checksum));
}

static void test_refusals(void **state)
{
	struct trace_header good, header;

	header__fill(&good);
	check_refusal("", 0, EBADMSG, "empty");
	check_refusal("{\"a\": 1}", 8, EBADMSG, "not a heaptap recording");
	check_refusal("#!/bin/sh\necho this is no recording at all, but longer than its header\n",
		      71, EBADMSG, "not a heaptap recording");
	check_refusal(&good, 12, EBADMSG, "middle of its header");
	check_refusal(&good, 40, EBADMSG, "middle of its header");
	header = good;
	memmove(header.magic + 5, header.magic + 6, sizeof(header) - 6); /* \r\n -> \n */
	check_refusal(&header, sizeof(header), EBADMSG, "as text");
	header = good;
	header.version = HEADER_VERSION + 1;
	check_refusal(&header, sizeof(header), EPROTONOSUPPORT, "newer heaptap");
	header = good;
	header.required_features = 1u << 31;
	seal(&header);
	check_refusal(&header, sizeof(header), EPROTONOSUPPORT, "newer heaptap");
	header = good;
	header.version = __builtin_bswap16(HEADER_VERSION + 1);
	header.byte_order = __builtin_bswap32(header.byte_order);
	check_refusal(&header, sizeof(header), EPROTONOSUPPORT, "newer heaptap");
	header.byte_order++;
	check_refusal(&header, sizeof(header), EBADMSG, "damaged header");
	header = good;
	header.header_size = HEADER_MAX_SIZE + 8;
	check_refusal(&header, sizeof(header), EBADMSG, "damaged header");
}

/* What a later heaptap may add to the header without locking this one out. */
static void test_unknown_but_optional(void **state)
{
	struct trace_header header;
	const struct wire_head *record;
	const char *reason = NULL;
	struct trace_reader *reader;
	char longer[sizeof(header) + 16];
	uint64_t checksum;
	int fd;

	header__fill(&header);
	header.optional_features = 5;
	header.header_size = sizeof(longer);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, &header, offsetof(struct trace_header, checksum));
	checksum = hash__bytes(longer, sizeof(longer) - 8);
	memcpy(longer + sizeof(longer) - 8, &checksum, 8);
	fd = memory_file(longer, sizeof(longer));
	reader = trace_reader__new(fd, &reason);
	assert_non_null(reader);
	assert_int_equal(trace_reader__next(reader, &record), 0);
	trace_reader__free(reader);
	close(fd);
}

static void test_unreadable(void **state)
{
	const char *reason = "";
	int fd = open("/", O_RDONLY | O_DIRECTORY);

	assert_null(trace_reader__new(fd, &reason));
	assert_int_equal(errno, EISDIR);
	assert_null(reason);
	close(fd);
}

/* Opens a recording of one well-sealed block with these bytes as its records. */
static int read_one_block(const void *raw, uint32_t raw_len, const struct wire_head **record,
			  struct trace_reader **reader)
{
	struct block_encoder *encoder = block_encoder__new();
	struct trace_header header;
	const char *reason;
	const void *block;
	size_t len = block_encoder__encode(encoder, raw, raw_len, &block);
	int fd;

	header__fill(&header);
	fd = memory_file(&header, sizeof(header));
	assert_int_equal(pwrite(fd, block, len, sizeof(header)), len);
	*reader = trace_reader__new(fd, &reason);
	assert_non_null(*reader);
	block_encoder__free(encoder);
	len = (size_t)trace_reader__next(*reader, record);
	close(fd);
	return (int)len;
}

static void check_record(const struct wire_head *head, uint32_t available, int expected)
{
	const struct wire_head *record;
	struct trace_reader *reader;

	assert_int_equal(read_one_block(head, available, &record, &reader), expected);
	if (expected < 0)
		assert_non_null(strstr(trace_reader__reason(reader), "impossible"));
	trace_reader__free(reader);
}

/* The checksum is right, but the writer was no friend. */
static void test_hostile_records(void **state)
{
	union {
		uint64_t words[64];
		struct wire_head head;
		struct wire_stack stack;
		struct wire_target target;
		struct wire_module module;
		struct wire_string string;
		struct wire_symbol symbol;
		struct wire_function function;
	} u = { 0 };

	check_record(&u.head, 64, -EBADMSG); /* size 0 */
	u.head = (struct wire_head){ .type = 500, .size = 12 };
	check_record(&u.head, 64, -EBADMSG);
	u.head.size = 72;
	check_record(&u.head, 64, -EBADMSG);
	u.head.size = 64;
	check_record(&u.head, 64, 1);
	for (uint16_t type = 1; type <= WIRE_END; type++) {
		u.head = (struct wire_head){ .type = type, .size = 8 };
		check_record(&u.head, 64, type > WIRE_FREE && type < WIRE_STACK ? 1 : -EBADMSG);
	}
	u.head = (struct wire_head){ .type = WIRE_STACK, .size = 24 + 5 * 8 };
	u.stack.nr_frames = 5;
	check_record(&u.head, 64, 1);
	u.stack.nr_frames = 6;
	check_record(&u.head, 64, -EBADMSG);
	u.head = (struct wire_head){ .type = WIRE_TARGET, .size = 64 };
	u.target.exe_len = 10;
	u.target.cmdline_len = 14;
	check_record(&u.head, 64, 1);
	u.target.cmdline_len = 15;
	check_record(&u.head, 64, -EBADMSG);
	u.target.cmdline_len = UINT32_MAX - 9;
	check_record(&u.head, 64, -EBADMSG);
	u.head = (struct wire_head){ .type = WIRE_MODULE, .size = 256 };
	u.module.path_len = 256 - 24 - 64;
	u.module.build_id_len = 64;
	check_record(&u.head, 256, 1);
	u.module.path_len--;
	u.module.build_id_len++;
	check_record(&u.head, 256, -EBADMSG);
	u.head = (struct wire_head){ .type = WIRE_STRING, .size = 24 };
	u.string.len = 8;
	check_record(&u.head, 24, 1);
	u.string.len = 9;
	check_record(&u.head, 24, -EBADMSG);
	u.string.len = UINT32_MAX;
	check_record(&u.head, 24, -EBADMSG);
	u.head = (struct wire_head){ .type = WIRE_SYMBOL, .size = 40 };
	u.symbol.nr_frames = 1;
	check_record(&u.head, 40, 1);
	u.symbol.nr_frames = 0x10000001; /* times 16: 16 in 32 bits */
	check_record(&u.head, 40, -EBADMSG);
	u.head = (struct wire_head){ .type = WIRE_FUNCTION, .size = 32 };
	u.function.func = WIRE_FUNCTION_USER;
	u.function.family_len = u.function.symbol_len = 8;
	check_record(&u.head, 32, 1);
	u.function.symbol_len = 9;
	check_record(&u.head, 32, -EBADMSG);
	u.function.family_len = 65535;
	u.function.symbol_len = 1;
	check_record(&u.head, 32, -EBADMSG);
	u.head = (struct wire_head){ .type = WIRE_FORK, .size = 24 };
	check_record(&u.head, 24, 1);
	u.head.size = 16;
	check_record(&u.head, 16, -EBADMSG);
	u.head = (struct wire_head){ .type = WIRE_MEMORY, .size = 48 };
	check_record(&u.head, 48, 1);
	u.head.size = 40;
	check_record(&u.head, 40, -EBADMSG);
}

static void test_too_many_frames(void **state)
{
	uint64_t words[(sizeof(struct wire_stack) + (WIRE_MAX_FRAMES + 1) * 8) / 8] = { 0 };
	struct wire_stack *stack = (void *)words;

	stack->head = (struct wire_head){ .type = WIRE_STACK, .size = sizeof(words) };
	stack->nr_frames = WIRE_MAX_FRAMES;
	assert_true(record__valid(&stack->head, sizeof(words)));
	stack->nr_frames++;
	assert_false(record__valid(&stack->head, sizeof(words)));
}

static uint64_t block_checksum(const struct block_header *header, const void *stored)
{
	char bytes[4096];

	assert_true(header->stored_len <= sizeof(bytes) - 16);
	memcpy(bytes, header, 16);
	memcpy(bytes + 16, stored, header->stored_len);
	return hash__bytes(bytes, 16 + header->stored_len);
}

/* A block that would inflate to more, or to less, than it says. */
static void test_inflated_length_must_match(void **state)
{
	static const char zeros[4096];
	struct block_decoder *decoder = block_decoder__new(false);
	struct block_encoder *encoder = block_encoder__new();
	char raw[4096 + 8], stored[512];
	uLongf stored_len = sizeof(stored);
	struct block_header header;
	const void *block;

	block_encoder__encode(encoder, zeros, 64, &block);
	memcpy(&header, block, sizeof(header)); /* for the magic */
	assert_int_equal(
		compress2((Bytef *)stored, &stored_len, (const Bytef *)zeros, sizeof(zeros), 9),
		Z_OK);
	header.codec = BLOCK_ZLIB;
	header.stored_len = (uint32_t)stored_len;
	for (header.raw_len = sizeof(zeros) - 8; header.raw_len <= sizeof(zeros) + 8;
	     header.raw_len += 8) {
		memset(raw, 'x', sizeof(raw));
		header.checksum = block_checksum(&header, stored);
		assert_true(block__header_valid(&header));
		assert_int_equal(block_decoder__decode(decoder, &header, stored, raw),
				 header.raw_len == sizeof(zeros) ? 0 : -EBADMSG);
		if (header.raw_len < sizeof(raw))
			assert_int_equal(raw[header.raw_len], 'x');
	}
	/* Bytes behind the stream. */
	header.raw_len = sizeof(zeros);
	header.stored_len++;
	header.checksum = block_checksum(&header, stored);
	assert_int_equal(block_decoder__decode(decoder, &header, stored, raw), -EBADMSG);
	header.stored_len--;
	header.codec = 77;
	header.raw_len = sizeof(zeros);
	header.checksum = block_checksum(&header, stored);
	assert_int_equal(block_decoder__decode(decoder, &header, stored, raw), -EBADMSG);
	header.codec = BLOCK_STORED;
	header.checksum = block_checksum(&header, stored);
	assert_int_equal(block_decoder__decode(decoder, &header, stored, raw), -EBADMSG);
	block_encoder__free(encoder);
	block_decoder__free(decoder);
	block_encoder__free(NULL);
	block_decoder__free(NULL);
}

static void test_block_header_bounds(void **state)
{
	struct block_encoder *encoder = block_encoder__new();
	struct block_header good, header;
	const uint64_t words[8] = { 0 };
	const void *block;

	block_encoder__encode(encoder, words, sizeof(words), &block);
	memcpy(&good, block, sizeof(good));
	assert_true(block__header_valid(&good));
	header = good;
	header.raw_len = BLOCK_MAX_RAW + 8;
	assert_false(block__header_valid(&header));
	header.raw_len = 0;
	assert_false(block__header_valid(&header));
	header.raw_len = 63;
	assert_false(block__header_valid(&header));
	header = good;
	header.stored_len = header.raw_len + 1;
	assert_false(block__header_valid(&header));
	header.stored_len = 0;
	assert_false(block__header_valid(&header));
	header = good;
	header.magic++;
	assert_false(block__header_valid(&header));
	block_encoder__free(encoder);
}

/* What was flushed into a pipe can be read before anything else is written. */
static void test_flush_reaches_a_pipe(void **state)
{
	struct wire_exec exec = { .head = { .type = WIRE_EXEC, .size = sizeof(exec) } };
	const struct wire_head *record;
	struct trace_writer *writer;
	struct trace_reader *reader;
	const char *reason;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	writer = trace_writer__new(ends[1], "pipe");
	reader = trace_reader__new(ends[0], &reason);
	assert_non_null(reader);
	for (exec.time_ns = 1; exec.time_ns < 4; exec.time_ns++) {
		assert_int_equal(trace_writer__append(writer, &exec.head), 0);
		assert_int_equal(trace_writer__flush(writer), 0);
		assert_int_equal(trace_writer__flush(writer), 0); /* nothing more to write */
		assert_int_equal(trace_reader__next(reader, &record), 1);
		assert_memory_equal(record, &exec, sizeof(exec));
	}
	assert_int_equal(trace_writer__close(writer), 0);
	close(ends[1]);
	assert_int_equal(trace_reader__next(reader, &record), 0);
	trace_reader__free(reader);
	close(ends[0]);
}

/* Both ends are non-blocking, and the bytes come in dribs and drabs. */
static void test_slow_pipe(void **state)
{
	static struct stream stream;
	struct trace_writer *writer;
	struct trace_reader *reader;
	const char *reason;
	size_t length;
	int ends[2], status;
	pid_t child;

	stream.used = 0;
	for (int i = 0; i < 5000; i++)
		add_random_record(&stream);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(ends[0]);
		usleep(20000);
		writer = trace_writer__new(ends[1], "pipe");
		for (size_t at = 0; at < stream.used;) {
			const struct wire_head *head = (void *)((char *)stream.words + at);

			if (trace_writer__append(writer, head))
				_exit(1);
			at += head->size;
		}
		_exit(trace_writer__close(writer) != 0);
	}
	close(ends[1]);
	reader = trace_reader__new(ends[0], &reason);
	assert_non_null(reader);
	assert_int_equal(read_prefix(reader, &stream, &length), 0);
	assert_int_equal(length, stream.used);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	trace_reader__free(reader);
	close(ends[0]);
}

static void test_full_disk_from_the_start(void **state)
{
	int fd = open("/dev/full", O_WRONLY);

	assert_true(fd >= 0);
	errno = 0;
	assert_null(trace_writer__new(fd, "/dev/full"));
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

/* A limit in the middle of a block: the error stays, and all blocks before it can be read. */
static void test_full_disk_later(void **state)
{
	static struct stream stream;
	struct rlimit old, small = { .rlim_cur = 300 << 10 };
	const struct wire_head *head = NULL;
	struct trace_writer *writer;
	char path[] = "/tmp/heaptap-test-XXXXXX", *data;
	int fd = mkstemp(path), err = 0;
	size_t len, length;

	assert_true(fd >= 0);
	unlink(path);
	stream.used = 0;
	while (stream.used < sizeof(stream.words) - 2 * WIRE_MAX_RECORD)
		add_random_record(&stream);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	writer = trace_writer__new(fd, path);
	setrlimit(RLIMIT_FSIZE, &small);
	for (size_t at = 0; at < stream.used && !err; at += head->size) {
		head = (const void *)((const char *)stream.words + at);
		err = trace_writer__append(writer, head);
	}
	assert_int_equal(err, -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(trace_writer__append(writer, head), -EFBIG);
	assert_int_equal(trace_writer__flush(writer), -EFBIG);
	assert_int_equal(trace_writer__bytes(writer), 300 << 10);
	assert_int_equal(trace_writer__close(writer), -EFBIG);
	data = contents(fd, &len);
	assert_int_equal(len, 300 << 10);
	assert_int_equal(read_bytes(data, len, &stream, &length), -EBADMSG);
	assert_in_range(length, 200 << 10, 300 << 10);
	free(data);
	close(fd);
}

static void test_append_refuses_odd_sizes(void **state)
{
	struct wire_exec exec = { .head = { .type = WIRE_EXEC, .size = 12 } };
	int fd = memory_file("", 0);
	struct trace_writer *writer = trace_writer__new(fd, "test");

	assert_int_equal(trace_writer__append(writer, &exec.head), -EINVAL);
	exec.head.size = 0;
	assert_int_equal(trace_writer__append(writer, &exec.head), -EINVAL);
	exec.head.size = sizeof(exec);
	assert_int_equal(trace_writer__append(writer, &exec.head), 0);
	assert_int_equal(trace_writer__close(writer), 0);
	assert_int_equal(trace_writer__close(NULL), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_empty_recording),
		cmocka_unit_test(test_anchor),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_unknown_but_optional),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_hostile_records),
		cmocka_unit_test(test_too_many_frames),
		cmocka_unit_test(test_inflated_length_must_match),
		cmocka_unit_test(test_block_header_bounds),
		cmocka_unit_test(test_flush_reaches_a_pipe),
		cmocka_unit_test(test_slow_pipe),
		cmocka_unit_test(test_full_disk_from_the_start),
		cmocka_unit_test(test_full_disk_later),
		cmocka_unit_test(test_append_refuses_odd_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
