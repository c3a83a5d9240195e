// SPDX-License-Identifier: BSD-2-Clause
/* Recordings of either byte order: read, cut and damaged at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "trace_make.h"

static const struct recipe recipes[] = {
	{ .foreign = false, .codec = BLOCK_STORED, .flush_every = 3 },
	{ .foreign = false, .codec = BLOCK_ZLIB, .flush_every = 4 },
	{ .foreign = false, .codec = BLOCK_PACKED, .flush_every = 8 },
	{ .foreign = true, .codec = BLOCK_STORED, .flush_every = 3 },
	{ .foreign = true, .codec = BLOCK_ZLIB, .flush_every = 4 },
	{ .foreign = true, .codec = BLOCK_PACKED, .flush_every = 8 },
};

static struct stream *random_stream(unsigned nr)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));

	while (nr--)
		add_random_record(stream);
	return stream;
}

/* One of every type there is, with contents that tell each field from its neighbours. */
static struct stream *every_type(void)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));

	for (uint16_t type = 0; type < 40; type++) {
		struct wire_head *head = add_record(stream, type, 24 + 3 * 16);

		if (type == WIRE_STACK)
			((struct wire_stack *)head)->nr_frames = 6;
		if (type == WIRE_SYMBOL)
			((struct wire_symbol *)head)->nr_frames = 3;
		if (type == WIRE_TARGET)
			((struct wire_target *)head)->exe_len =
				((struct wire_target *)head)->cmdline_len = 16;
		if (type == WIRE_MODULE)
			((struct wire_module *)head)->build_id_len =
				((struct wire_module *)head)->path_len = 24;
		if (type == WIRE_STRING)
			((struct wire_string *)head)->len = 56;
		if (type == WIRE_FUNCTION)
			((struct wire_function *)head)->family_len =
				((struct wire_function *)head)->symbol_len = 28;
		/* The reader keeps these to itself. */
		if (type == WIRE_INDEX || type == WIRE_FOOTER)
			stream->used -= head->size;
	}
	return stream;
}

static void check_whole(const struct stream *stream, const struct recipe *recipe)
{
	struct made made = make_recording(stream, recipe);
	size_t length;

	assert_int_equal(read_bytes(made.data, made.len, stream, &length), 0);
	assert_int_equal(length, stream->used);
	free(made.data);
}

static void test_all_orders_and_codecs(void **state)
{
	struct stream *every = every_type(), *random = random_stream(4000);

	for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
		struct recipe recipe = recipes[i];

		check_whole(every, &recipe);
		recipe.flush_every = 500;
		check_whole(random, &recipe);
	}
	free(every);
	free(random);
}

/* Every byte of a known type's fixed part belongs to a field that is swapped: two such swaps are
 * none, and one leaves no two equal neighbours in place. */
static void test_layouts_cover_the_records(void **state)
{
	static const struct {
		uint16_t type;
		size_t fixed_size;
	} types[] = { { WIRE_ALLOC, sizeof(struct wire_alloc) },
		      { WIRE_FREE, sizeof(struct wire_free) },
		      { WIRE_STACK, sizeof(struct wire_stack) },
		      { WIRE_TARGET, sizeof(struct wire_target) },
		      { WIRE_MODULE, sizeof(struct wire_module) },
		      { WIRE_MAPPING, sizeof(struct wire_mapping) },
		      { WIRE_LOST, sizeof(struct wire_lost) },
		      { WIRE_EXEC, sizeof(struct wire_exec) },
		      { WIRE_SYMBOL, sizeof(struct wire_symbol) },
		      { WIRE_STRING, sizeof(struct wire_string) },
		      { WIRE_END, sizeof(struct wire_end) },
		      { WIRE_FORK, sizeof(struct wire_fork) },
		      { WIRE_FUNCTION, sizeof(struct wire_function) },
		      { WIRE_MEMORY, sizeof(struct wire_memory) },
		      { WIRE_INDEX, sizeof(struct wire_index) },
		      { WIRE_FOOTER, sizeof(struct wire_footer) } };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		uint8_t bytes[64] __attribute__((aligned(8))), before[64];
		struct wire_head *head = (void *)bytes;

		for (size_t b = 0; b < sizeof(bytes); b++)
			bytes[b] = (uint8_t)b;
		head->type = types[i].type;
		head->size = (uint16_t)types[i].fixed_size;
		memcpy(before, bytes, sizeof(bytes));
		swap__body(head, sizeof(bytes));
		for (size_t b = sizeof(*head); b < types[i].fixed_size; b++)
			assert_int_not_equal(bytes[b], before[b]);
		assert_memory_equal(bytes + head->size, before + head->size,
				    sizeof(bytes) - head->size);
		swap__body(head, sizeof(bytes));
		assert_memory_equal(bytes, before, sizeof(bytes));
	}
}

/* A recording of the other byte order with one stored block, whatever is in it. */
static struct made seal(const void *raw, uint32_t raw_len)
{
	struct block_header header = { .magic = BLOCK_MAGIC,
				       .raw_len = raw_len,
				       .stored_len = raw_len,
				       .codec = BLOCK_STORED };
	struct made made = { 0 };
	char bytes[1024];

	assert_true(raw_len + 16 <= sizeof(bytes));
	put_header(&made, true, 4);
	block__swap_header(&header);
	memcpy(bytes, &header, 16);
	memcpy(bytes + 16, raw, raw_len);
	header.checksum = __builtin_bswap64(hash__bytes(bytes, 16 + raw_len));
	put_bytes(&made, &header, sizeof(header));
	put_bytes(&made, raw, raw_len);
	return made;
}

/* What the head says is checked before anything behind it is touched. */
static void test_hostile_sizes(void **state)
{
	static const uint16_t sizes[] = { 0, 4, 8, 12, 16, 24, 40, 56, 64, 72, 65528, 65535 };

	for (size_t i = 0; i < 40 * ARRAY_SIZE(sizes); i++) {
		uint16_t size = sizes[i % ARRAY_SIZE(sizes)];
		struct {
			struct wire_head head;
			uint8_t body[56];
		} record = { .head = { .type = (uint16_t)(i / ARRAY_SIZE(sizes)), .size = size } };
		const struct wire_head *got;
		struct trace_reader *reader;
		const char *reason;
		struct made made;
		int fd, err;

		memset(record.body, 0xff, sizeof(record.body));
		swap__head(&record.head);
		made = seal(&record, sizeof(record));
		fd = memory_file(made.data, made.len);
		reader = trace_reader__new(fd, &reason);
		err = trace_reader__next(reader, &got);
		/* Of a known type it is too short, or says that its texts are 4 GiB. */
		if (size > sizeof(record) || size < 8 || size % 8)
			assert_int_equal(err, -EBADMSG);
		else
			assert_true(err == 1 ? got->size == size : err == -EBADMSG || !err);
		trace_reader__free(reader);
		close(fd);
		free(made.data);
	}
}

/* Whether a block ends at byte cut (the header counts as one), and how many bytes of the stream's
 * records stand before the cut in whole blocks. */
static bool is_border(const struct made *made, bool foreign, size_t cut, size_t used,
		      size_t *records)
{
	size_t at = HEADER_SIZE;
	struct block_header header;
	bool border = true;

	for (*records = 0; border && at + sizeof(header) <= cut;) {
		memcpy(&header, made->data + at, sizeof(header));
		if (foreign)
			block__swap_header(&header);
		border = at + sizeof(header) + header.stored_len <= cut;
		if (!border)
			break;
		*records += header.raw_len;
		at += sizeof(header) + header.stored_len;
	}
	/* What comes behind them is the index. */
	*records = min(*records, used);
	return border && at == cut;
}

static void test_truncation_at_every_byte(void **state)
{
	struct stream *stream = random_stream(9);

	for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
		struct made made = make_recording(stream, &recipes[i]);
		size_t length, expected = 0;

		for (size_t cut = 0; cut <= made.len; cut++) {
			bool border = is_border(&made, recipes[i].foreign, cut, stream->used,
						&expected);

			assert_int_equal(read_bytes(made.data, cut, stream, &length),
					 border ? 0 : -EBADMSG);
			assert_int_equal(length, expected);
		}
		assert_int_equal(expected, stream->used);
		free(made.data);
	}
	free(stream);
}

static void test_damage_at_every_byte(void **state)
{
	struct stream *stream = random_stream(6);

	for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
		struct made made = make_recording(stream, &recipes[i]);
		size_t length, expected;

		for (size_t j = 0; j < made.len * 2; j++) {
			char flip = (char)(j % 2 ? 0xff : 1 << j / 2 % 8);

			made.data[j / 2] ^= flip;
			assert_true(read_bytes(made.data, made.len, stream, &length) < 0);
			made.data[j / 2] ^= flip;
			is_border(&made, recipes[i].foreign, j / 2, stream->used, &expected);
			assert_int_equal(length, expected);
		}
		free(made.data);
	}
	free(stream);
}

static void test_header_fields(void **state)
{
	for (int foreign = 0; foreign < 2; foreign++) {
		struct made made = { 0 };
		const char *reason;
		struct trace_reader *reader;
		uint64_t monotonic, realtime;
		int fd;

		put_header(&made, foreign, foreign ? 4 : 8);
		fd = memory_file(made.data, made.len);
		reader = trace_reader__new(fd, &reason);
		assert_non_null(reader);
		assert_int_equal(trace_reader__address_size(reader), foreign ? 4 : 8);
		trace_reader__anchor(reader, &monotonic, &realtime);
		assert_in_range(clock__monotonic_ns() - monotonic, 0, 10 * NSEC_PER_SEC);
		assert_in_range(clock__realtime_ns() - realtime, 0, 10 * NSEC_PER_SEC);
		trace_reader__free(reader);
		close(fd);
		free(made.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_orders_and_codecs),
		cmocka_unit_test(test_layouts_cover_the_records),
		cmocka_unit_test(test_hostile_sizes),
		cmocka_unit_test(test_truncation_at_every_byte),
		cmocka_unit_test(test_damage_at_every_byte),
		cmocka_unit_test(test_header_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
