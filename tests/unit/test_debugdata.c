// SPDX-License-Identifier: BSD-2-Clause
/* What .gnu_debugdata holds comes out whole, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "symbol/debugdata.h"

/* Compresses; the caller frees. */
static uint8_t *pack(const void *data, size_t len, size_t *packed_len)
{
	size_t room = lzma_stream_buffer_bound(len);
	uint8_t *packed = xmalloc(room);

	*packed_len = 0;
	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, data, len, packed,
						 packed_len, room),
			 LZMA_OK);
	return packed;
}

static void comes_out_whole(void **state)
{
	static const size_t lengths[] = { 0, 1, 262143, 262144, 262145, 3000000 };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		size_t len = lengths[i], packed_len, out_len;
		char *data = xcalloc(1, len + 1);
		uint8_t *packed;
		char *out;

		for (size_t at = 0; at < len; at++)
			data[at] = (char)(at * at >> 7);
		packed = pack(data, len, &packed_len);
		out = debugdata__expand(packed, packed_len, 4000000, &out_len);
		assert_non_null(out);
		assert_int_equal(out_len, len);
		assert_memory_equal(out, data, len);
		free(out);
		free(packed);
		free(data);
	}
}

static void a_bomb_is_refused(void **state)
{
	size_t len = 16 << 20, packed_len, out_len;
	char *data = xcalloc(1, len);
	uint8_t *packed = pack(data, len, &packed_len);

	assert_true(packed_len < 10000);
	assert_null(debugdata__expand(packed, packed_len, len - 1, &out_len));
	assert_null(debugdata__expand(packed, packed_len, 1, &out_len));
	free(packed);
	free(data);
}

static void damage_is_refused(void **state)
{
	char data[5000];
	size_t packed_len, out_len;
	uint8_t *packed;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)rand();
	packed = pack(data, sizeof(data), &packed_len);
	for (size_t len = 0; len < packed_len; len += 7)
		assert_null(debugdata__expand(packed, len, 1 << 20, &out_len));
	for (size_t at = 0; at < packed_len; at += 11) {
		packed[at] ^= 0x55;
		assert_null(debugdata__expand(packed, packed_len, 1 << 20, &out_len));
		packed[at] ^= 0x55;
	}
	assert_null(debugdata__expand("garbage", 7, 1 << 20, &out_len));
	free(packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_out_whole),
		cmocka_unit_test(a_bomb_is_refused),
		cmocka_unit_test(damage_is_refused),
	};

	return cmocka_run_group_tests_name("debugdata", tests, NULL, NULL);
}
