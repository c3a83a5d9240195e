// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/strtab.h"
#include "base/text.h"
#include "base/util.h"

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) % limit);
}

/* Random text that is often, but not always, UTF-8, and never contains NUL. */
static void random_text(char *text, size_t size)
{
	static const char *const pieces[] = { "a",
					      "\"",
					      "\\",
					      "\n",
					      "\x7f",
					      "\x1b",
					      "é",
					      "\xc2\x85",
					      "€",
					      "\xed\xa0\x80",
					      "𝄞",
					      "\xc3",
					      "\xf4\x90\x80\x80",
					      "\xc0\xaf",
					      "\xff" };
	size_t used = 0;

	while (used + 5 < size && random_below(20)) {
		const char *piece = pieces[random_below(ARRAY_SIZE(pieces))];

		memcpy(text + used, piece, strlen(piece));
		used += strlen(piece);
		if (!random_below(3))
			text[used++] = (char)(1 + random_below(255));
	}
	text[used] = '\0';
}

static bool is_utf8(const char *text)
{
	iconv_t converter = iconv_open("UTF-32", "UTF-8");
	char *in = (char *)text, buffer[8192], *out = buffer;
	size_t in_left = strlen(text), out_left = sizeof(buffer), status;

	assert_true(converter != (iconv_t)-1);
	status = iconv(converter, &in, &in_left, &out, &out_left);
	iconv_close(converter);
	return status != (size_t)-1;
}

static void test_character(void **state)
{
	assert_int_equal(text__character("a"), 1);
	assert_int_equal(text__character(""), 0);
	assert_int_equal(text__character("\n"), 0);
	assert_int_equal(text__character("\x7f"), 0);
	assert_int_equal(text__character("é"), 2);
	assert_int_equal(text__character("\xc2\x9f"), 0); /* C1 */
	assert_int_equal(text__character("\xc2\xa0"), 2);
	assert_int_equal(text__character("€"), 3);
	assert_int_equal(text__character("𝄞"), 4);
	assert_int_equal(text__character("\xe2\x82"), 0);	  /* cut */
	assert_int_equal(text__character("\x80"), 0);		  /* no lead byte */
	assert_int_equal(text__character("\xc0\xaf"), 0);	  /* overlong '/' */
	assert_int_equal(text__character("\xe0\x80\xaf"), 0);	  /* overlong '/' */
	assert_int_equal(text__character("\xf0\x80\x80\xaf"), 0); /* overlong '/' */
	assert_int_equal(text__character("\xed\xa0\x80"), 0);	  /* surrogate */
	assert_int_equal(text__character("\xf4\x8f\xbf\xbf"), 4); /* U+10FFFF */
	assert_int_equal(text__character("\xf4\x90\x80\x80"), 0);
	assert_int_equal(text__character("\xff"), 0);
}

static void test_strip_controls(void **state)
{
	char text[] = "a\tb\x1b[2Jé\xc2\x85\xff.";

	text__strip_controls(text);
	assert_string_equal(text, "a?b?[2Jé???.");
}

static void test_print_is_strip(void **state)
{
	for (int i = 0; i < 2000; i++) {
		char text[256], *printed = NULL;
		size_t len;
		FILE *out = open_memstream(&printed, &len);

		random_text(text, sizeof(text));
		text__print(out, text);
		fclose(out);
		text__strip_controls(text);
		assert_string_equal(printed, text);
		assert_true(is_utf8(text));
		assert_null(strpbrk(text, "\n\x1b\x7f"));
		free(printed);
	}
}

/* Behind a JSON string that starts at text; NULL where it is none. */
static const char *skip_json_string(const char *text)
{
	if (*text++ != '"')
		return NULL;
	for (; *text != '"'; text++) {
		if ((unsigned char)*text < 0x20)
			return NULL;
		if (*text != '\\')
			continue;
		text++;
		if (*text == 'u' && strspn(text + 1, "0123456789abcdefABCDEF") >= 4)
			text += 4;
		else if (!*text || !strchr("\"\\/bfnrt", *text))
			return NULL;
	}
	return text + 1;
}

static void test_json_strings(void **state)
{
	for (int i = 0; i < 2000; i++) {
		char text[256], *written = NULL;
		const char *end;
		struct json json;
		size_t len;
		FILE *out = open_memstream(&written, &len);

		random_text(text, sizeof(text));
		json__begin(&json, out);
		json__string(&json, NULL, text);
		fclose(out);
		assert_true(is_utf8(written));
		end = skip_json_string(written);
		assert_non_null(end);
		assert_int_equal(strspn(end, "\n"), strlen(end));
		free(written);
	}
}

static void test_json_shape(void **state)
{
	char *written = NULL;
	struct json json;
	size_t len;
	FILE *out = open_memstream(&written, &len);

	json__begin(&json, out);
	json__object(&json, NULL);
	json__string(&json, "text\"", "a\\b\n\xff");
	json__uint(&json, "most", UINT64_MAX);
	json__array(&json, "none");
	json__end_array(&json);
	json__array(&json, "some");
	json__bool(&json, NULL, true);
	json__bool(&json, NULL, false);
	json__null(&json, NULL);
	json__string(&json, NULL, NULL);
	json__object(&json, NULL);
	json__end_object(&json);
	json__end_array(&json);
	json__end_object(&json);
	fclose(out);
	assert_string_equal(written, "{\n"
				     "  \"text\\\"\": \"a\\\\b\\u000a\\ufffd\",\n"
				     "  \"most\": 18446744073709551615,\n"
				     "  \"none\": [],\n"
				     "  \"some\": [\n"
				     "    true,\n"
				     "    false,\n"
				     "    null,\n"
				     "    null,\n"
				     "    {}\n"
				     "  ]\n"
				     "}\n");
	free(written);
}

static void test_hmap_empty(void **state)
{
	struct hmap map = { 0 };
	uint64_t key, value;
	size_t at = 0;

	assert_null(hmap__find(&map, 0));
	assert_false(hmap__delete(&map, 0));
	assert_false(hmap__next(&map, &at, &key, &value));
	hmap__clear(&map);
}

/* The keys are as far apart as can be; 0 and the largest are among them. */
#define NR_KEYS 1000
static uint64_t key_of(uint32_t i)
{
	return i % 2 ? UINT64_MAX - i / 2 : i / 2 * 0x100000000ull;
}

static void check_hmap(const struct hmap *map, const uint64_t *values, const bool *present)
{
	uint64_t key, value;
	size_t at = 0, visited = 0, expected = 0;

	for (uint32_t i = 0; i < NR_KEYS; i++) {
		uint64_t *found = hmap__find(map, key_of(i));

		assert_int_equal(found != NULL, present[i]);
		if (found)
			assert_int_equal(*found, values[i]);
		expected += present[i];
	}
	assert_int_equal(map->nr, expected);
	while (hmap__next(map, &at, &key, &value)) {
		assert_int_equal(*hmap__find(map, key), value);
		visited++;
	}
	assert_int_equal(visited, expected);
}

static void test_hmap_random_operations(void **state)
{
	static uint64_t values[NR_KEYS];
	static bool present[NR_KEYS];
	struct hmap map = { 0 };

	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t key = random_below(NR_KEYS);

		if (random_below(10) < (i / 20000 % 2 ? 2u : 7u)) {
			values[key] = i;
			present[key] = true;
			hmap__set(&map, key_of(key), i);
		} else {
			assert_int_equal(hmap__delete(&map, key_of(key)), present[key]);
			present[key] = false;
		}
		if (i % 1000 == 999)
			check_hmap(&map, values, present);
	}
	hmap__clear(&map);
	assert_int_equal(map.nr, 0);
	assert_null(hmap__find(&map, key_of(1)));
}

static void test_strtab(void **state)
{
	struct strtab tab = { 0 };
	char text[32];

	assert_null(strtab__text(&tab, 0));
	assert_null(strtab__text(&tab, 1));
	assert_int_equal(strtab__add(&tab, "abc", 3), 1);
	assert_int_equal(strtab__add(&tab, "abcdef", 3), 1);
	assert_int_equal(strtab__add(&tab, "abc\0def", 7), 1);
	assert_int_equal(strtab__add(&tab, "ab", 2), 2);
	assert_int_equal(strtab__add(&tab, "", 0), 3);
	assert_int_equal(strtab__add(&tab, "abcd", 4), 4);
	assert_string_equal(strtab__text(&tab, 1), "abc");
	assert_string_equal(strtab__text(&tab, 3), "");
	assert_null(strtab__text(&tab, 5));
	strtab__clear(&tab);
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 10000; i++) {
			int len = sprintf(text, "name %u", i);

			assert_int_equal(strtab__add(&tab, text, (size_t)len), i + 1);
		}
	assert_string_equal(strtab__text(&tab, 10000), "name 9999");
	strtab__clear(&tab);
}

static void check_number(int (*parse)(const char *, uint64_t, uint64_t *), const char *text,
			 uint64_t limit, int expected, uint64_t expected_value)
{
	uint64_t value = 0;

	assert_int_equal(parse(text, limit, &value), expected);
	if (!expected)
		assert_int_equal(value, expected_value);
}

static void test_parse_u64(void **state)
{
	check_number(parse__u64, "0", 10, 0, 0);
	check_number(parse__u64, "10", 10, 0, 10);
	check_number(parse__u64, "11", 10, -ERANGE, 0);
	check_number(parse__u64, "0x1f", 100, 0, 31);
	check_number(parse__u64, "010", 100, 0, 10);
	check_number(parse__u64, "18446744073709551615", UINT64_MAX, 0, UINT64_MAX);
	check_number(parse__u64, "18446744073709551616", UINT64_MAX, -ERANGE, 0);
	check_number(parse__u64, "", 10, -EINVAL, 0);
	check_number(parse__u64, "-1", UINT64_MAX, -EINVAL, 0);
	check_number(parse__u64, "+1", 10, -EINVAL, 0);
	check_number(parse__u64, " 1", 10, -EINVAL, 0);
	check_number(parse__u64, "1 ", 10, -EINVAL, 0);
	check_number(parse__u64, "1x", 10, -EINVAL, 0);
	check_number(parse__u64, "0x", 10, -EINVAL, 0);
}

static void test_parse_bytes(void **state)
{
	check_number(parse__bytes, "512", 1000, 0, 512);
	check_number(parse__bytes, "4K", UINT64_MAX, 0, 4096);
	check_number(parse__bytes, "4k", UINT64_MAX, 0, 4096);
	check_number(parse__bytes, "2M", UINT64_MAX, 0, 2 << 20);
	check_number(parse__bytes, "1G", UINT64_MAX, 0, 1 << 30);
	check_number(parse__bytes, "1K", 1023, -ERANGE, 0);
	check_number(parse__bytes, "1K", 1024, 0, 1024);
	check_number(parse__bytes, "17179869184G", UINT64_MAX, -ERANGE, 0);
	check_number(parse__bytes, "4 ", UINT64_MAX, -EINVAL, 0);
	check_number(parse__bytes, "4KB", UINT64_MAX, -EINVAL, 0);
	check_number(parse__bytes, "4T", UINT64_MAX, -EINVAL, 0);
	check_number(parse__bytes, "K", UINT64_MAX, -EINVAL, 0);
	check_number(parse__bytes, "-1K", UINT64_MAX, -EINVAL, 0);
}

static int parse_duration(const char *text, uint64_t limit, uint64_t *value)
{
	return parse__duration_ns(text, value);
}

static void test_parse_duration(void **state)
{
	check_number(parse_duration, "5", 0, 0, 5 * NSEC_PER_SEC);
	check_number(parse_duration, "5s", 0, 0, 5 * NSEC_PER_SEC);
	check_number(parse_duration, "0.5", 0, 0, NSEC_PER_SEC / 2);
	check_number(parse_duration, "250ms", 0, 0, NSEC_PER_SEC / 4);
	check_number(parse_duration, "1.5m", 0, 0, 90 * NSEC_PER_SEC);
	check_number(parse_duration, "2h", 0, 0, 7200 * NSEC_PER_SEC);
	check_number(parse_duration, "", 0, -EINVAL, 0);
	check_number(parse_duration, "-1", 0, -EINVAL, 0);
	check_number(parse_duration, "1 s", 0, -EINVAL, 0);
	check_number(parse_duration, "1d", 0, -EINVAL, 0);
	check_number(parse_duration, "nan", 0, -EINVAL, 0);
	check_number(parse_duration, "0x10", 0, -EINVAL, 0);
	check_number(parse_duration, "1e3", 0, -EINVAL, 0);
	check_number(parse_duration, "9999999999999999h", 0, -ERANGE, 0);
}

static void test_strings(void **state)
{
	char *text = xstrndup("abcdef", 3);

	assert_string_equal(text, "abc");
	free(text);
	text = xstrndup("ab", 10);
	assert_string_equal(text, "ab");
	free(text);
	text = xasprintf("%s-%d", "x", 7);
	assert_string_equal(text, "x-7");
	free(text);
	assert_string_equal(path__base("/a/b/c"), "c");
	assert_string_equal(path__base("c"), "c");
	assert_string_equal(path__base("/a/"), "");
}

static void test_array_grow(void **state)
{
	uint32_t *items = NULL;
	size_t capacity = 0;

	for (uint32_t nr = 0; nr < 1000; nr++) {
		items = array__grow(items, nr, &capacity, sizeof(*items));
		assert_true(capacity > nr);
		items[nr] = nr;
	}
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(items[i], i);
	free(items);
}

static void test_read_all(void **state)
{
	char path[] = "/tmp/heaptap-test-XXXXXX", data[10000], *text;
	int fd = mkstemp(path);
	size_t len;

	assert_true(fd >= 0);
	memset(data, 'x', sizeof(data));
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	text = file__read_all(path, 1 << 20, &len);
	assert_int_equal(len, sizeof(data));
	assert_memory_equal(text, data, sizeof(data));
	assert_int_equal(text[len], '\0');
	free(text);
	text = file__read_all(path, sizeof(data), NULL);
	assert_int_equal(strlen(text), sizeof(data));
	free(text);
	text = file__read_all(path, 100, &len);
	assert_int_equal(len, 100);
	free(text);
	unlink(path);
	close(fd);
	assert_null(file__read_all(path, 100, &len));
	assert_int_equal(errno, ENOENT);
	assert_null(file__read_all("/", 100, &len));
	assert_int_equal(errno, EISDIR);
	text = file__read_all("/proc/self/status", 1 << 20, &len);
	assert_memory_equal(text, "Name:", 5);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_character),
		cmocka_unit_test(test_strip_controls),
		cmocka_unit_test(test_print_is_strip),
		cmocka_unit_test(test_json_strings),
		cmocka_unit_test(test_json_shape),
		cmocka_unit_test(test_hmap_empty),
		cmocka_unit_test(test_hmap_random_operations),
		cmocka_unit_test(test_strtab),
		cmocka_unit_test(test_parse_u64),
		cmocka_unit_test(test_parse_bytes),
		cmocka_unit_test(test_parse_duration),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_array_grow),
		cmocka_unit_test(test_read_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
