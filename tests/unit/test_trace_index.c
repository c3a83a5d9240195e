// SPDX-License-Identifier: BSD-2-Clause
/* The index of a recording: written, used, and when it lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/resource.h>

#include "trace/record.h"
#include "trace_make.h"

#define NR_EVENTS 2000

/* Events at 1, 2, 3, …, now and then something else. */
static struct stream *timed_stream(unsigned rare_every)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));

	for (uint64_t time_ns = 1; time_ns <= NR_EVENTS; time_ns++) {
		if (time_ns % 2)
			((struct wire_alloc *)add_record(stream, WIRE_ALLOC, 48))->time_ns =
				time_ns;
		else
			((struct wire_free *)add_record(stream, WIRE_FREE, 32))->time_ns = time_ns;
		if (rare_every && time_ns % rare_every == 0)
			((struct wire_exec *)add_record(stream, WIRE_EXEC, 16))->time_ns = time_ns;
	}
	return stream;
}

static uint64_t time_of_event(const struct wire_head *head)
{
	if (head->type == WIRE_ALLOC)
		return ((const struct wire_alloc *)head)->time_ns;
	return head->type == WIRE_FREE ? ((const struct wire_free *)head)->time_ns : 0;
}

/* What is left of a stream when events later than time_ns are left out. */
static struct stream *up_to(const struct stream *stream, uint64_t time_ns)
{
	struct stream *rest = xcalloc(1, sizeof(*rest));

	for (size_t at = 0; at < stream->used;) {
		const struct wire_head *head = (const void *)((const char *)stream->words + at);

		if (time_of_event(head) <= time_ns) {
			memcpy((char *)rest->words + rest->used, head, head->size);
			rest->used += head->size;
		}
		at += head->size;
	}
	return rest;
}

static struct trace_reader *open_until(int fd, uint64_t time_ns)
{
	const char *reason;
	struct trace_reader *reader = trace_reader__new(fd, &reason);

	assert_non_null(reader);
	trace_reader__until(reader, time_ns);
	return reader;
}

static void check_until(const struct made *made, const struct stream *stream, uint64_t time_ns)
{
	struct stream *expected = up_to(stream, time_ns);
	int fd = memory_file(made->data, made->len);
	struct trace_reader *reader = open_until(fd, time_ns);
	size_t length;

	assert_int_equal(read_prefix(reader, expected, &length), 0);
	assert_int_equal(length, expected->used);
	assert_int_equal(trace_reader__progress(reader), 100);
	trace_reader__free(reader);
	close(fd);
	free(expected);
}

static void test_until(void **state)
{
	static const uint64_t times[] = { 0, 1, 2, 777, 1000, NR_EVENTS - 1, NR_EVENTS, UINT64_MAX };
	static const unsigned rares[] = { 0, 1, 3, 170, 1999 };

	for (unsigned i = 0; i < 4 * ARRAY_SIZE(rares) * ARRAY_SIZE(times); i++) {
		struct recipe recipe = { .foreign = i & 1,
					 .no_index = i & 2,
					 .codec = BLOCK_PACKED,
					 .flush_every = 40 };
		struct stream *stream = timed_stream(rares[i / 4 % ARRAY_SIZE(rares)]);
		struct made made = make_recording(stream, &recipe);

		check_until(&made, stream, times[i / 4 / ARRAY_SIZE(rares)]);
		free(made.data);
		free(stream);
	}
}

/* Offset and whole length of a recording's nth block. */
static size_t nth_block(const struct made *made, unsigned n, size_t *len)
{
	struct block_header header;
	size_t at = HEADER_SIZE;

	for (;; at += *len) {
		assert_true(at + sizeof(header) <= made->len);
		memcpy(&header, made->data + at, sizeof(header));
		*len = sizeof(header) + header.stored_len;
		if (!n--)
			return at;
	}
}

/* Blocks that are skipped are not read: nobody minds that they are damaged. */
static void test_skipped_is_not_read(void **state)
{
	struct recipe recipe = { .codec = BLOCK_PACKED, .flush_every = 100 };
	struct stream *stream = timed_stream(0);
	struct made made = make_recording(stream, &recipe);
	size_t length, len, from;
	int fd;
	struct trace_reader *reader;

	for (unsigned n = 6; n < NR_EVENTS / 100; n++)
		memset(made.data + nth_block(&made, n, &len) + sizeof(struct block_header), 0, 8);
	assert_int_equal(read_bytes(made.data, made.len, stream, &length), -EBADMSG);
	check_until(&made, stream, 550);
	check_until(&made, stream, 600);
	/* The first of these is wanted. */
	from = nth_block(&made, 6, &len);
	fd = memory_file(made.data, made.len);
	reader = open_until(fd, 601);
	assert_int_equal(read_prefix(reader, stream, &length), -EBADMSG);
	assert_int_equal(trace_reader__bytes(reader), from + len);
	trace_reader__free(reader);
	close(fd);
	free(made.data);
	free(stream);
}

/* Told in the middle, as one does who learns from the recording what the time means. */
static void test_until_later(void **state)
{
	struct recipe recipe = { .codec = BLOCK_PACKED, .flush_every = 100 };
	struct stream *stream = timed_stream(3), *expected = up_to(stream, 1234);
	struct made made = make_recording(stream, &recipe);
	int fd = memory_file(made.data, made.len);
	struct trace_reader *reader = open_until(fd, UINT64_MAX);
	const struct wire_head *record;
	size_t at = 0;

	while (at < 500 * 40) {
		assert_int_equal(trace_reader__next(reader, &record), 1);
		at += record->size;
	}
	trace_reader__until(reader, 1234);
	while (trace_reader__next(reader, &record) > 0) {
		assert_memory_equal(record, (char *)expected->words + at, record->size);
		at += record->size;
	}
	assert_int_equal(at, expected->used);
	trace_reader__free(reader);
	close(fd);
	free(made.data);
	free(stream);
	free(expected);
}

static void check_summary(const struct trace_index_block *got,
			  const struct trace_index_block *told)
{
	assert_int_equal(told->offset, got->offset);
	assert_int_equal(told->first_ns, got->first_ns);
	assert_int_equal(told->last_ns, got->last_ns);
	assert_int_equal(told->kinds, got->kinds);
	assert_int_equal(told->nr_events, got->nr_events);
}

/* What the writer says of its blocks is what is in them. */
static void test_index_is_true(void **state)
{
	static struct stream stream;
	struct trace_index_block block = { 0 };
	struct trace_index *index;
	const struct wire_head *record;
	struct trace_reader *reader;
	const char *reason;
	size_t nr = 0;
	int fd, err;

	stream.used = 0;
	while (stream.used < sizeof(stream.words) - 2 * WIRE_MAX_RECORD)
		add_random_record(&stream);
	fd = write_stream(&stream, 3000);
	index = trace_index__read(fd, 0);
	assert_non_null(index);
	assert_in_range(index->nr_blocks, 5, 100);
	reader = trace_reader__new(fd, &reason);
	do {
		uint64_t offset = trace_reader__bytes(reader);

		err = trace_reader__next(reader, &record);
		if (trace_reader__bytes(reader) != offset) { /* another block */
			if (nr)
				check_summary(&block, &index->blocks[nr - 1]);
			block = (struct trace_index_block){ .offset = offset };
			nr++;
		}
		if (err > 0)
			trace_index__note(&block, record);
	} while (err > 0);
	assert_int_equal(err, 0);
	assert_int_equal(nr - 1, index->nr_blocks);
	trace_reader__free(reader);
	trace_index__free(index);
	trace_index__free(NULL);
	close(fd);
}

/* A recording that does not begin at the start of its file, as behind >>. */
static void test_offset_in_file(void **state)
{
	struct recipe recipe = { .codec = BLOCK_PACKED, .flush_every = 100 };
	struct stream *stream = timed_stream(0), *expected = up_to(stream, 100);
	struct made made = make_recording(stream, &recipe);
	int fd = memory_file("something before", 16);
	struct trace_reader *reader;
	size_t length;

	assert_int_equal(pwrite(fd, made.data, made.len, 16), made.len);
	lseek(fd, 16, SEEK_SET);
	reader = open_until(fd, 100);
	assert_int_equal(read_prefix(reader, expected, &length), 0);
	assert_int_equal(length, expected->used);
	trace_reader__free(reader);
	close(fd);
	free(made.data);
	free(expected);
	free(stream);
}

static void test_pipe_has_no_index(void **state)
{
	struct recipe recipe = { .codec = BLOCK_PACKED, .flush_every = 100 };
	struct stream *stream = timed_stream(7), *expected = up_to(stream, 100);
	struct made made = make_recording(stream, &recipe);
	struct trace_reader *reader;
	size_t length;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_true(made.len < 65536);
	assert_int_equal(write(ends[1], made.data, made.len), made.len);
	close(ends[1]);
	assert_null(trace_index__read(ends[0], 0));
	reader = open_until(ends[0], 100);
	assert_int_equal(trace_reader__progress(reader), -1);
	assert_int_equal(read_prefix(reader, expected, &length), 0);
	assert_int_equal(length, expected->used);
	trace_reader__free(reader);
	close(ends[0]);
	free(made.data);
	free(expected);
	free(stream);
}

/* ---- lies -------------------------------------------------------------------------------- */

static void first_elsewhere(struct trace_index *index, struct wire_footer *footer)
{
	index->blocks[0].offset += 8;
}

static void backwards(struct trace_index *index, struct wire_footer *footer)
{
	index->blocks[5].offset = index->blocks[3].offset;
}

static void twice(struct trace_index *index, struct wire_footer *footer)
{
	index->blocks[5].offset = index->blocks[4].offset;
}

static void far_away(struct trace_index *index, struct wire_footer *footer)
{
	index->blocks[index->nr_blocks - 1].offset = 1ull << 62;
}

static void in_the_index(struct trace_index *index, struct wire_footer *footer)
{
	index->blocks[index->nr_blocks - 1].offset = footer->index_offset;
}

static void index_in_itself(struct trace_index *index, struct wire_footer *footer)
{
	footer->index_offset = HEADER_SIZE;
}

static void index_far_away(struct trace_index *index, struct wire_footer *footer)
{
	footer->index_offset = UINT64_MAX - 8;
}

static void index_behind_the_footer(struct trace_index *index, struct wire_footer *footer)
{
	footer->index_offset += 4096;
}

static void giant_count(struct trace_index *index, struct wire_footer *footer)
{
	footer->nr_blocks = UINT64_MAX;
}

static void small_count(struct trace_index *index, struct wire_footer *footer)
{
	footer->nr_blocks--;
}

static void other_events(struct trace_index *index, struct wire_footer *footer)
{
	index->blocks[2].nr_events++;
}

static void other_times(struct trace_index *index, struct wire_footer *footer)
{
	footer->last_ns++;
}

static void last_before_first(struct trace_index *index, struct wire_footer *footer)
{
	index->blocks[2].first_ns = index->blocks[2].last_ns + 1;
}

/* These can be told only when it is used: the block is not where it is said to be. */
static void shifted(struct trace_index *index, struct wire_footer *footer)
{
	for (size_t i = 1; i < index->nr_blocks; i++)
		index->blocks[i].offset += 3;
}

static void one_shifted(struct trace_index *index, struct wire_footer *footer)
{
	index->blocks[index->nr_blocks - 1].offset--;
	index->blocks[index->nr_blocks - 1].kinds = ~0ull;
}

static void test_lies(void **state)
{
	static void (*const lies[])(struct trace_index *, struct wire_footer *) = {
		first_elsewhere, backwards,	  twice,	  far_away,
		in_the_index,	 index_in_itself, index_far_away, index_behind_the_footer,
		giant_count,	 small_count,	  other_events,	  other_times,
		last_before_first
	};
	static void (*const late_lies[])(struct trace_index *, struct wire_footer *) = {
		shifted, one_shifted
	};
	struct stream *stream = timed_stream(7), *no_rare = timed_stream(0);

	for (size_t i = 0; i < 2 * ARRAY_SIZE(lies); i++) {
		struct recipe recipe = { .foreign = i & 1,
					 .codec = BLOCK_PACKED,
					 .flush_every = 100,
					 .spoil = lies[i / 2] };
		struct made made = make_recording(stream, &recipe);
		int fd = memory_file(made.data, made.len);

		assert_null(trace_index__read(fd, 0));
		check_until(&made, stream, 500);
		close(fd);
		free(made.data);
	}
	for (size_t i = 0; i < ARRAY_SIZE(late_lies); i++) {
		struct recipe recipe = { .codec = BLOCK_PACKED,
					 .flush_every = 100,
					 .spoil = late_lies[i] };
		struct made made = make_recording(no_rare, &recipe);

		check_until(&made, no_rare, 500);
		free(made.data);
	}
	free(stream);
	free(no_rare);
}

/* Every byte of the index and the footer changed, every length cut: at worst there is none. */
static void test_damaged_index(void **state)
{
	struct recipe recipe = { .codec = BLOCK_PACKED, .flush_every = 200 };
	struct stream *stream = timed_stream(7);
	struct made made = make_recording(stream, &recipe);
	int fd = memory_file(made.data, made.len);
	struct trace_index *index = trace_index__read(fd, 0);
	size_t end = index->end;

	trace_index__free(index);
	for (size_t i = end; i < made.len; i++) {
		char damaged = (char)(made.data[i] ^ 0x10);

		assert_int_equal(pwrite(fd, &damaged, 1, (off_t)i), 1);
		assert_null(trace_index__read(fd, 0));
		assert_int_equal(pwrite(fd, &made.data[i], 1, (off_t)i), 1);
	}
	for (size_t len = made.len; len-- > end - 10;) {
		assert_int_equal(ftruncate(fd, (off_t)len), 0);
		assert_null(trace_index__read(fd, 0));
	}
	assert_null(trace_index__read(fd, 1 << 30));
	assert_null(trace_index__read(-1, 0));
	close(fd);
	free(made.data);
	free(stream);
}

/* The index of another recording is not taken over by a writer. */
static void test_writer_makes_its_own(void **state)
{
	struct stream *stream = xcalloc(1, sizeof(*stream)), *none = xcalloc(1, sizeof(*none));
	size_t length;
	char *data;
	int fd;

	add_record(stream, WIRE_INDEX, sizeof(struct wire_index));
	add_record(stream, WIRE_FOOTER, sizeof(struct wire_footer));
	fd = write_stream(stream, 0);
	data = contents(fd, &length);
	assert_int_equal(read_bytes(data, length, none, &length), 0);
	assert_int_equal(length, 0);
	free(data);
	close(fd);
	free(stream);
	free(none);
}

static long resident_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* Blocks of a few hundred bytes that are 1 MiB, and an index of half a million nothings. */
static void test_bombs(void **state)
{
	struct recipe recipe = { .codec = BLOCK_ZLIB };
	uint64_t *raw = xcalloc(1, BLOCK_MAX_RAW);
	struct made made = { 0 };
	struct trace_index index = { 0 };
	struct trace_index_block nothing = { .offset = HEADER_SIZE };
	const struct wire_head *record;
	struct trace_reader *reader;
	const char *reason;
	unsigned nr = 0;
	long before;
	int fd;

	for (size_t i = 0; i < BLOCK_MAX_RAW / 64; i++)
		*(struct wire_head *)&raw[8 * i] = (struct wire_head){ .type = 500, .size = 64 };
	put_header(&made, false, 8);
	for (int i = 0; i < 200; i++)
		put_block(&made, &recipe, BLOCK_ZLIB, raw, BLOCK_MAX_RAW);
	for (int i = 0; i < 20000; i++)
		trace_index__add(&index, &nothing);
	put_index(&made, &recipe, &index);
	fd = memory_file(made.data, made.len);
	before = resident_kib();
	reader = trace_reader__new(fd, &reason);
	trace_reader__until(reader, 5);
	while (trace_reader__next(reader, &record) > 0)
		nr++;
	assert_int_equal(nr, 200 * (BLOCK_MAX_RAW / 64));
	assert_in_range(resident_kib() - before, 0, 24 << 10);
	trace_reader__free(reader);
	trace_index__clear(&index);
	close(fd);
	free(made.data);
	free(raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_until),
		cmocka_unit_test(test_skipped_is_not_read),
		cmocka_unit_test(test_until_later),
		cmocka_unit_test(test_index_is_true),
		cmocka_unit_test(test_offset_in_file),
		cmocka_unit_test(test_pipe_has_no_index),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_damaged_index),
		cmocka_unit_test(test_writer_makes_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
