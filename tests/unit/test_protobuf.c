// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

#include "base/gzip.h"
#include "base/protobuf.h"
#include "base/util.h"

static void expect(struct protobuf *message, const char *bytes, size_t len)
{
	assert_int_equal(message->len, len);
	assert_memory_equal(message->data, bytes, len);
	protobuf__reset(message);
}

/* The examples of the encoding's documentation. */
static void documented_examples(void **state)
{
	static const uint64_t numbers[] = { 3, 270, 86942 };
	struct protobuf message = { 0 }, inner = { 0 };

	protobuf__uint(&message, 1, 150);
	expect(&message, "\x08\x96\x01", 3);
	protobuf__bytes(&message, 2, "testing", 7);
	expect(&message, "\x12\x07testing", 9);
	protobuf__uint(&inner, 1, 150);
	protobuf__message(&message, 3, &inner);
	expect(&message, "\x1a\x03\x08\x96\x01", 5);
	protobuf__packed(&message, 6, numbers, 3);
	expect(&message, "\x32\x06\x03\x8e\x02\x9e\xa7\x05", 8);
	protobuf__clear(&message);
	protobuf__clear(&inner);
}

static void extremes(void **state)
{
	struct protobuf message = { 0 };
	char *large = xcalloc(1, 100000);

	protobuf__uint(&message, 1, 0);
	protobuf__packed(&message, 1, NULL, 0);
	assert_int_equal(message.len, 0);
	protobuf__uint(&message, 1, UINT64_MAX);
	expect(&message, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
	/* A repeated text that is empty is there. */
	protobuf__bytes(&message, 6, "", 0);
	expect(&message, "\x32\x00", 2);
	protobuf__uint(&message, 16, 1);
	expect(&message, "\x80\x01\x01", 3);
	protobuf__bytes(&message, 1, large, 100000);
	assert_int_equal(message.len, 100004);
	protobuf__clear(&message);
	free(large);
}

/* Compresses text, written in pieces. */
static char *compress_text(const char *text, size_t len, size_t piece, size_t *out_len)
{
	char *data = NULL;
	FILE *out = open_memstream(&data, out_len);
	struct gzip *gzip = gzip__new(out);

	for (size_t at = 0; at < len; at += piece)
		gzip__write(gzip, text + at, min(piece, len - at));
	gzip__finish(gzip);
	fclose(out);
	return data;
}

static void round_trip(size_t len)
{
	char *text = xmalloc(len), *back = xmalloc(len + 1), *packed, *again;
	size_t packed_len, again_len;
	z_stream stream = { 0 };

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(random() >> (i % 3 * 8));
	packed = compress_text(text, len, 1000, &packed_len);
	/* A gzip file without a name and without a time. */
	assert_memory_equal(packed, "\x1f\x8b\x08\0\0\0\0\0", 8);
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	stream.next_in = (unsigned char *)packed;
	stream.avail_in = (uInt)packed_len;
	stream.next_out = (unsigned char *)back;
	stream.avail_out = (uInt)len + 1;
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.total_out, len);
	assert_int_equal(stream.avail_in, 0);
	assert_memory_equal(back, text, len);
	inflateEnd(&stream);
	again = compress_text(text, len, 1000, &again_len);
	assert_int_equal(again_len, packed_len);
	assert_memory_equal(again, packed, packed_len);
	free(packed);
	free(again);
	free(text);
	free(back);
}

static void gzip_round_trips(void **state)
{
	srandom(1);
	round_trip(0);
	round_trip(1);
	round_trip(65536);
	round_trip(1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documented_examples),
		cmocka_unit_test(extremes),
		cmocka_unit_test(gzip_round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
