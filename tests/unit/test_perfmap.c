// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/perfmap.h"
#include "symbol/sym.h"

static int file_of(const void *content, size_t len)
{
	int fd = memfd_create("map", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), len);
	return fd;
}

/* The names found, by index; those of addresses without one are empty. */
struct names {
	char *name[512];
	uint32_t nr_calls;
};

static void keep(uint32_t index, const char *name, void *data)
{
	struct names *names = data;

	assert_true(index < ARRAY_SIZE(names->name));
	assert_null(names->name[index]);
	names->name[index] = strdup(name);
	names->nr_calls++;
}

static void forget(struct names *names)
{
	for (size_t i = 0; i < ARRAY_SIZE(names->name); i++)
		free(names->name[i]);
}

/* The name of one return address in a map; "" for none. Lives until the next call. */
static const char *name_in(const void *content, size_t len, uint64_t address)
{
	static char result[PERFMAP_MAX_NAME + 1];
	struct names names = { .nr_calls = 0 };
	int fd = file_of(content, len);

	assert_int_equal(perfmap__lookup(fd, &address, 1, keep, &names), 0);
	snprintf(result, sizeof(result), "%s", names.name[0] ? names.name[0] : "");
	forget(&names);
	close(fd);
	return result;
}

static const char *name_at(const char *text, uint64_t address)
{
	return name_in(text, strlen(text), address);
}

static void names_go_to_the_end_of_the_line(void **state)
{
	const char *map = "7f0000001000 40 JS:*f /tmp/a b.js:3:27\n"
			  "7F0000002000 0x10 py::g:/x.py\r\n"
			  "0x3000\t8\tLjava/lang/Object;::<init>\n";

	assert_string_equal(name_at(map, 0x7f0000001020), "JS:*f /tmp/a b.js:3:27");
	assert_string_equal(name_at(map, 0x7f0000002008), "py::g:/x.py");
	assert_string_equal(name_at(map, 0x3004), "Ljava/lang/Object;::<init>");
}

static void return_address_belongs_to_the_call_before_it(void **state)
{
	const char *map = "1000 10 f\n1010 10 g\n";

	assert_string_equal(name_at(map, 0x1000), "");
	assert_string_equal(name_at(map, 0x1001), "f");
	assert_string_equal(name_at(map, 0x1010), "f");
	assert_string_equal(name_at(map, 0x1011), "g");
	assert_string_equal(name_at(map, 0x1020), "g");
	assert_string_equal(name_at(map, 0x1021), "");
	assert_string_equal(name_at(map, 0), "");
	assert_string_equal(name_at(map, UINT64_MAX), "");
}

static void last_line_around_an_address_wins(void **state)
{
	const char *map = "1000 100 interpreted\n1040 20 baseline\n1000 50 optimised\n"
			  "1010 8 inner\n";

	assert_string_equal(name_at(map, 0x1008), "optimised");
	assert_string_equal(name_at(map, 0x1014), "inner");
	assert_string_equal(name_at(map, 0x1050), "optimised");
	assert_string_equal(name_at(map, 0x1058), "baseline");
	assert_string_equal(name_at(map, 0x1070), "interpreted");
}

static void senseless_lines_are_skipped(void **state)
{
	const char *map = "\n \n1000\n1000 \n1000 10\n1000 10 \n1000 0 empty\nxyz 10 f\n"
			  "1000 zz f\n1000  f\n-1000 10 f\n0x 10 f\n"
			  "10000000000001000 10 too long a number\n"
			  "fffffffffffffff0 20 wraps\n1000 fffffffffffffff0 wraps\n"
			  "# comment\n2000 10 good\n";

	assert_string_equal(name_at(map, 0x1004), "");
	assert_string_equal(name_at(map, 0xfffffffffffffff4), "");
	assert_string_equal(name_at(map, 4), "");
	assert_string_equal(name_at(map, 0x2004), "good");
	assert_string_equal(name_at("", 0x1004), "");
}

static void unfinished_line_does_not_count(void **state)
{
	assert_string_equal(name_at("1000 10 old\n1000 10 ne", 0x1004), "old");
	assert_string_equal(name_at("1000 10 ne", 0x1004), "");
}

static void long_names_are_cut_and_long_lines_skipped(void **state)
{
	const size_t lens[] = { PERFMAP_MAX_NAME - 1,
				PERFMAP_MAX_NAME,
				PERFMAP_MAX_NAME + 1,
				65500,
				65536,
				65537,
				200000 };

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		size_t kept = min(lens[i], (size_t)PERFMAP_MAX_NAME);
		char *name = xmalloc(lens[i] + 1), *map;

		memset(name, 'n', lens[i]);
		name[lens[i]] = '\0';
		map = xasprintf("1000 10 %s\n2000 10 after\n", name);
		if (lens[i] < 65500)
			assert_int_equal(strlen(name_at(map, 0x1004)), kept);
		assert_string_equal(name_at(map, 0x2004), "after");
		free(name);
		free(map);
	}
}

static void lines_survive_the_borders_of_what_is_read_at_once(void **state)
{
	const uint32_t nr = 20000;
	char *map = xmalloc((size_t)nr * 32);
	uint64_t addresses[512];
	struct names names = { .nr_calls = 0 };
	size_t len = 0;
	int fd;

	for (uint32_t i = 0; i < nr; i++)
		len += (size_t)sprintf(map + len, "%x 10 f%u\n", 0x1000 + i * 16, i);
	for (uint32_t i = 0; i < ARRAY_SIZE(addresses); i++)
		addresses[i] = 0x1000 + (uint64_t)(i * 39) * 16 + 8;
	fd = file_of(map, len);
	assert_int_equal(perfmap__lookup(fd, addresses, ARRAY_SIZE(addresses), keep, &names), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		char want[16];

		snprintf(want, sizeof(want), "f%u", i * 39);
		assert_string_equal(names.name[i], want);
	}
	forget(&names);
	close(fd);
	free(map);
}

static void equal_addresses_are_both_named(void **state)
{
	const uint64_t addresses[] = { 0x1004, 0x1004, 0x1008 };
	const char map[] = "1000 10 f\n1006 1 g\n";
	struct names names = { .nr_calls = 0 };
	int fd = file_of(map, strlen(map));

	assert_int_equal(perfmap__lookup(fd, addresses, 3, keep, &names), 0);
	assert_int_equal(names.nr_calls, 3);
	forget(&names);
	assert_int_equal(perfmap__lookup(fd, NULL, 0, keep, &names), 0);
	close(fd);
}

static void file_that_cannot_be_read_is_told(void **state)
{
	const uint64_t address = 1;
	int pipes[2];

	assert_int_equal(perfmap__lookup(-1, &address, 1, keep, NULL), -EBADF);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(perfmap__lookup(pipes[0], &address, 1, keep, NULL), -ESPIPE);
	close(pipes[0]);
	close(pipes[1]);
}

#define NR_RANDOM 300

/* The definition, spelled out. */
static void random_maps_agree_with_the_definition(void **state)
{
	srand(1);
	for (int round = 0; round < 50; round++) {
		struct {
			uint64_t start, size;
		} all[NR_RANDOM];
		char map[NR_RANDOM * 32];
		uint64_t addresses[200];
		struct names names = { .nr_calls = 0 };
		size_t len = 0;
		int fd;

		for (int i = 0; i < NR_RANDOM; i++) {
			all[i].start = 0x1000 + (uint64_t)rand() % 3000;
			all[i].size = (uint64_t)rand() % (i % 20 ? 60 : 3000);
			len += (size_t)sprintf(map + len, "%jx %jx f%d\n", (uintmax_t)all[i].start,
					       (uintmax_t)all[i].size, i);
		}
		for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
			addresses[i] = 0xff0 + i * 17 + (uint64_t)rand() % 17;
		fd = file_of(map, len);
		assert_int_equal(
			perfmap__lookup(fd, addresses, ARRAY_SIZE(addresses), keep, &names), 0);
		for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
			char want[16] = "";

			for (int k = 0; k < NR_RANDOM; k++)
				if (addresses[i] - 1 - all[k].start < all[k].size)
					snprintf(want, sizeof(want), "f%d", k);
			assert_string_equal(names.name[i] ? names.name[i] : "", want);
		}
		forget(&names);
		close(fd);
	}
}

static void noise_does_no_harm(void **state)
{
	static const char alphabet[] = "0123456789abcdefx   \t\n\n\r\xff-";
	char noise[3000];

	srand(2);
	for (int round = 0; round < 500; round++) {
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = round % 2 ? (char)rand()
					     : alphabet[(size_t)rand() % sizeof(alphabet)];
		name_in(noise, sizeof(noise), 1 + (uint64_t)rand() % 0x10000);
	}
}

static void count(uint32_t index, const char *name, void *data)
{
	++*(uint32_t *)data;
}

/* Every line covers every address. */
static void hostile_overlaps_take_no_time(void **state)
{
	const uint32_t nr_lines = 1000000, nr = 100000;
	char *map = xmalloc((size_t)nr_lines * 16);
	uint64_t *addresses = xcalloc(nr, sizeof(*addresses)), begin = clock__monotonic_ns();
	uint32_t nr_found = 0;
	int fd;

	for (uint32_t i = 0; i < nr_lines; i++)
		memcpy(map + (size_t)i * 16, "1 ffffffffff ff\n", 16);
	for (uint32_t i = 0; i < nr; i++)
		addresses[i] = 0x1000 + i;
	fd = file_of(map, (size_t)nr_lines * 16);
	assert_int_equal(perfmap__lookup(fd, addresses, nr, count, &nr_found), 0);
	assert_int_equal(nr_found, nr);
	assert_true(clock__monotonic_ns() - begin < 5 * NSEC_PER_SEC);
	close(fd);
	free(addresses);
	free(map);
}

/* ---- as sym uses it ---- */

static const char *function_at(struct sym *sym, struct modmap *map, uint64_t address)
{
	/* Three pages, a module each: code that is in no file has its own address as link-time one.
	 */
	uint32_t module = address < 0x4000 ? (uint32_t)(address >> 12) - 1 : MODMAP_NO_MODULE;
	uint32_t index = modmap__intern(map, module, address);
	const struct sym_frame *frames;

	sym__resolve(sym, map, &index, 1, NULL, NULL);
	if (!sym__frames(sym, modmap__location(map, index), &frames))
		return "";
	assert_null(frames[0].file);
	assert_int_equal(frames[0].line, 0);
	return frames[0].function;
}

static void generated_code_gets_names_and_nothing_else_does(void **state)
{
	const struct sym_options options = { .sysroot = NULL };
	const char map_text[] = "1000 100 in_anon\n2000 100 in_memfd\n3000 100 in_vdso\n"
				"5000 100 nowhere\n";
	struct sym *sym = sym__new(&options);
	struct modmap *map = modmap__new();
	int fd = file_of(map_text, strlen(map_text));

	modmap__add_module(map, "[anon]", NULL, 0, 0, -1);
	modmap__add_module(map, "/memfd:doublemapper (deleted)", NULL, 0, 0, file_of("code", 4));
	modmap__add_module(map, "[vdso]", NULL, 0, 0, -1);
	/* The map may come later, and stop to be there: what it named stays. */
	assert_string_equal(function_at(sym, map, 0x1010), "");
	sym__use_perf_map(sym, fd);
	assert_string_equal(function_at(sym, map, 0x1010), "in_anon");
	assert_string_equal(function_at(sym, map, 0x2010), "in_memfd");
	assert_string_equal(function_at(sym, map, 0x3010), "");
	assert_string_equal(function_at(sym, map, 0x5010), "");
	assert_string_equal(function_at(sym, map, 0x1110), "");
	assert_int_equal(pwrite(fd, "1110 10 grown\n", 14, strlen(map_text)), 14);
	assert_string_equal(function_at(sym, map, 0x1114), "grown");
	sym__use_perf_map(sym, -1);
	close(fd);
	assert_string_equal(function_at(sym, map, 0x1010), "in_anon");
	sym__free(sym);
	modmap__free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_go_to_the_end_of_the_line),
		cmocka_unit_test(return_address_belongs_to_the_call_before_it),
		cmocka_unit_test(last_line_around_an_address_wins),
		cmocka_unit_test(senseless_lines_are_skipped),
		cmocka_unit_test(unfinished_line_does_not_count),
		cmocka_unit_test(long_names_are_cut_and_long_lines_skipped),
		cmocka_unit_test(lines_survive_the_borders_of_what_is_read_at_once),
		cmocka_unit_test(equal_addresses_are_both_named),
		cmocka_unit_test(file_that_cannot_be_read_is_told),
		cmocka_unit_test(random_maps_agree_with_the_definition),
		cmocka_unit_test(noise_does_no_harm),
		cmocka_unit_test(hostile_overlaps_take_no_time),
		cmocka_unit_test(generated_code_gets_names_and_nothing_else_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
