// SPDX-License-Identifier: BSD-2-Clause
/* Small parts of the preload library: its variables, the boot arena, the blocks it writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "block_out.h"
#include "boot.h"
#include "config.h"
#include "os.h"
#include "trace/reader.h"
#include "wire.h"

/* ---- variables ------------------------------------------------------------------------------- */

static struct config read_config(const char *first, const char *second)
{
	const char *environment[] = { "HOME=/", first, second, NULL };
	struct config config;

	config__read(&config, (char *const *)(uintptr_t)environment);
	return config;
}

static void test_defaults(void **state)
{
	struct config config;

	config__read(&config, NULL);
	assert_string_equal(config.file, "");
	assert_string_equal(config.server, "");
	assert_int_equal(config.memory_bytes, 2 << 20);
	assert_int_equal(config.wait_ms, 1000);
	assert_null(config.bad);
}

static void test_aliases(void **state)
{
	struct config config = read_config("DUMPALLOC_FILE=/a", "DUMPALLOC_SERVER=pc:7000");

	assert_string_equal(config.file, "/a");
	assert_string_equal(config.server, "pc:7000");
	config = read_config("DUMPALLOC_FILE=/a", "HEAPTAP_FILE=/b");
	assert_string_equal(config.file, "/b");
	config = read_config("DUMPALLOC_FILE=/a", "HEAPTAP_FILE=");
	assert_string_equal(config.file, "/a");
	config = read_config("HEAPTAP_FILER=/a", "DUMPALLOC_WALK_STACK=");
	assert_string_equal(config.file, "");
	assert_null(config.bad);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint32_t bytes; /* 0: refused */
	} cases[] = {
		{ "HEAPTAP_MEMORY=1M", 1 << 20 },   { "HEAPTAP_MEMORY=1000K", 1000 << 10 },
		{ "HEAPTAP_MEMORY=1G", 1u << 30 },  { "HEAPTAP_MEMORY=1000000", 1000000 },
		{ "HEAPTAP_MEMORY=2G", 0 },	    { "HEAPTAP_MEMORY=383K", 0 },
		{ "HEAPTAP_MEMORY=1MB", 0 },	    { "HEAPTAP_MEMORY=-1", 0 },
		{ "HEAPTAP_MEMORY=99999999999999999999999", 0 },
		{ "HEAPTAP_MEMORY=4294967297G", 0 }, { "HEAPTAP_MEMORY=M", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config config = read_config(cases[i].text, NULL);

		if (cases[i].bytes) {
			assert_null(config.bad);
			assert_int_equal(config.memory_bytes, cases[i].bytes);
		} else {
			assert_string_equal(config.bad, "HEAPTAP_MEMORY");
			assert_int_equal(config.memory_bytes, 2 << 20);
		}
	}
}

static void test_sample(void **state)
{
	static const struct {
		const char *text;
		uint32_t bytes;
		bool is_bad;
	} cases[] = {
		{ "HEAPTAP_SAMPLE=512K", 512 << 10, false }, { "HEAPTAP_SAMPLE=1", 1, false },
		{ "HEAPTAP_SAMPLE=1G", 1u << 30, false },    { "HEAPTAP_SAMPLE=0", 0, false },
		{ "HEAPTAP_SAMPLE=", 0, false },	     { "HEAPTAP_SAMPLE=1025M", 0, true },
		{ "HEAPTAP_SAMPLE=-1", 0, true },	     { "HEAPTAP_SAMPLE=often", 0, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config config = read_config(cases[i].text, "HEAPTAP_SEED=12345");

		assert_int_equal(config.sample_bytes, cases[i].bytes);
		assert_int_equal(config.seed, 12345);
		assert_int_equal(config.bad != NULL, cases[i].is_bad);
	}
	assert_string_equal(read_config("HEAPTAP_SEED=x", NULL).bad, "HEAPTAP_SEED");
}

static void test_bad(void **state)
{
	char longer[2 * CONFIG_MAX_PATH] = "HEAPTAP_FILE=";

	assert_string_equal(read_config("HEAPTAP_SERVER=pc", NULL).bad, "HEAPTAP_SERVER");
	assert_string_equal(read_config("DUMPALLOC_SERVER=:1", NULL).bad, "DUMPALLOC_SERVER");
	assert_string_equal(read_config("HEAPTAP_SERVER=pc:", NULL).bad, "HEAPTAP_SERVER");
	assert_string_equal(read_config("HEAPTAP_WAIT=soon", NULL).bad, "HEAPTAP_WAIT");
	memset(longer + strlen(longer), 'x', sizeof(longer) - strlen(longer) - 1);
	assert_string_equal(read_config(longer, NULL).bad, "HEAPTAP_FILE");
	assert_string_equal(read_config(longer, NULL).file, "");
}

static void test_expand(void **state)
{
	char path[16];

	assert_true(config__expand(path, sizeof(path), "a.%p", 1234));
	assert_string_equal(path, "a.1234");
	assert_true(config__expand(path, sizeof(path), "%p%%p%x%", 0));
	assert_string_equal(path, "0%p%x%");
	assert_true(config__expand(path, sizeof(path), "12345678901%p", 1234));
	assert_string_equal(path, "123456789011234");
	assert_false(config__expand(path, sizeof(path), "123456789012%p", 1234));
}

/* ---- the boot arena --------------------------------------------------------------------------- */

static void test_boot(void **state)
{
	char *first = boot__alloc(0, 1), *second = boot__alloc(0, 0), *aligned;
	const void *at;
	unsigned nr;
	int here;

	assert_non_null(first);
	assert_int_equal((uintptr_t)first % 16, 0);
	assert_ptr_not_equal(first, second);
	assert_true(boot__owns(first) && boot__owns(second));
	assert_false(boot__owns(&here) || boot__owns(NULL));
	/* Every place at which one can begin is come by. */
	for (at = boot__next(NULL), nr = 0; at; at = boot__next(at))
		nr += at == (void *)first || at == (void *)second;
	assert_int_equal(nr, 2);
	aligned = boot__alloc(1024, 100);
	assert_int_equal((uintptr_t)aligned % 1024, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(aligned[i], 0);
	assert_true(boot__readable(aligned) >= 100);
	memset(aligned, 1, boot__readable(aligned)); /* for the sanitizer to look at */
	assert_null(boot__alloc(3, 1));
	assert_null(boot__alloc(0, SIZE_MAX));
	assert_null(boot__alloc((size_t)1 << (8 * sizeof(size_t) - 1), 1));
	while (boot__alloc(0, 1000))
		;
	assert_null(boot__alloc(0, 1000));
}

/* ---- what it writes ---------------------------------------------------------------------------- */

static void test_recording(void **state)
{
	static uint64_t buffer[4096];
	struct wire_lost *lost = (void *)(buffer + BLOCK_OUT_HEAD / 8);
	const struct wire_head *record;
	uint64_t monotonic_ns, realtime_ns;
	FILE *file = tmpfile();
	struct trace_reader *reader;
	const char *reason = NULL;

	header_out__write(buffer, 5, 6);
	assert_int_equal(fwrite(buffer, HEADER_OUT_BYTES, 1, file), 1);
	memset(buffer, 0, sizeof(buffer));
	for (unsigned i = 0; i < 100; i++) {
		lost[i].head = (struct wire_head){ WIRE_LOST, sizeof(*lost), 7 };
		lost[i].events = i;
	}
	block_out__seal(lost, 100 * sizeof(*lost));
	assert_int_equal(fwrite(buffer, BLOCK_OUT_HEAD + 100 * sizeof(*lost), 1, file), 1);
	rewind(file);
	reader = trace_reader__new(fileno(file), &reason);
	assert_non_null(reader);
	trace_reader__anchor(reader, &monotonic_ns, &realtime_ns);
	assert_int_equal(monotonic_ns, 5);
	assert_int_equal(realtime_ns, 6);
	assert_int_equal(trace_reader__address_size(reader), sizeof(void *));
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(trace_reader__next(reader, &record), 1);
		assert_int_equal(((const struct wire_lost *)record)->events, i);
	}
	assert_int_equal(trace_reader__next(reader, &record), 0);
	trace_reader__free(reader);
	fclose(file);
}

static void test_decimal(void **state)
{
	char text[24];

	assert_ptr_equal(os__decimal(text, 0), text + 1);
	assert_string_equal(text, "0");
	os__decimal(text, UINT64_MAX);
	assert_string_equal(text, "18446744073709551615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_numbers),	 cmocka_unit_test(test_sample), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_expand),	 cmocka_unit_test(test_boot),
		cmocka_unit_test(test_recording), cmocka_unit_test(test_decimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
