// SPDX-License-Identifier: BSD-2-Clause
/* Which code decides about a call that is to fail: names, and ranges as the kernel searches them.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "source/inject_names.h"
#include "source/inject_ranges.h"
#include "symbol/elf.h"

/* As bpf/inject.h does it. */
static uint32_t marks_at(const struct inject_range *view, uint64_t address)
{
	uint32_t at = 0;

	for (uint32_t step = INJECT_MAX_RANGES / 2; step; step /= 2)
		if (view[at + step].start <= address)
			at += step;
	return address < view[at].end ? view[at].marks : 0;
}

/* Without any order. */
static uint32_t marks_of(const struct inject_pieces *pieces, uint64_t address)
{
	uint32_t marks = 0;

	for (size_t i = 0; i < pieces->nr; i++)
		if (address >= pieces->all[i].start && address < pieces->all[i].end)
			marks |= pieces->all[i].mark;
	return marks;
}

static struct inject_range view[INJECT_MAX_RANGES];

static void test_empty(void **state)
{
	struct inject_pieces pieces = { 0 };

	assert_int_equal(inject_pieces__make_view(&pieces, view), 0);
	assert_int_equal(marks_at(view, 0), 0);
	assert_int_equal(marks_at(view, 0x7fffffffffff), 0);
	assert_int_equal(marks_at(view, (1ull << 63) - 2), 0);
}

static void test_nothing_is_no_piece(void **state)
{
	struct inject_pieces pieces = { 0 };

	inject_pieces__add(&pieces, 5, 5, INJECT_ONLY);
	inject_pieces__add(&pieces, 6, 5, INJECT_ONLY);
	inject_pieces__add(&pieces, 5, UINT64_MAX, INJECT_NEVER);
	assert_int_equal(pieces.nr, 0);
	inject_pieces__clear(&pieces);
}

static void test_random_pieces(void **state)
{
	srand(7);
	for (int round = 0; round < 300; round++) {
		struct inject_pieces pieces = { 0 };
		int nr = rand() % 60;

		for (int i = 0; i < nr; i++) {
			uint64_t start = (uint64_t)(rand() % 500);

			inject_pieces__add(&pieces, start, start + (uint64_t)(rand() % 40),
					   1u << rand() % 3);
		}
		assert_int_equal(inject_pieces__make_view(&pieces, view), 0);
		for (uint64_t address = 0; address < 600; address++)
			assert_int_equal(marks_at(view, address), marks_of(&pieces, address));
		for (size_t i = 1; i < INJECT_MAX_RANGES; i++)
			assert_true(view[i - 1].start <= view[i].start);
		inject_pieces__clear(&pieces);
	}
}

static void test_too_many(void **state)
{
	struct inject_pieces pieces = { 0 };

	for (uint64_t i = 1; i < INJECT_MAX_RANGES; i++)
		inject_pieces__add(&pieces, 16 * i, 16 * i + 8, INJECT_ONLY);
	assert_int_equal(inject_pieces__make_view(&pieces, view), 0);
	assert_int_equal(marks_at(view, 16 * (INJECT_MAX_RANGES - 1) + 7), INJECT_ONLY);
	inject_pieces__add(&pieces, 1 << 20, 1 << 21, INJECT_ONLY);
	assert_int_equal(inject_pieces__make_view(&pieces, view), -E2BIG);
	inject_pieces__clear(&pieces);
}

static void test_function_names(void **state)
{
	static const struct {
		const char *wanted, *symbol;
		bool is;
	} names[] = {
		{ "parse", "parse", true },
		{ "parse", "parse_request", false },
		{ "parse_request", "parse", false },
		{ "parse", "parse.cold", true },
		{ "parse", "parse.part.0", true },
		{ "dlopen", "dlopen@@GLIBC_2.34", true },
		{ "shop::shelf::stock", "_ZN4shop5shelf5stockEi", true },
		{ "shop::shelf::stock(int)", "_ZN4shop5shelf5stockEi", true },
		{ "shop::shelf::stock(long)", "_ZN4shop5shelf5stockEi", false },
		{ "shelf::stock", "_ZN4shop5shelf5stockEi", true },
		{ "stock", "_ZN4shop5shelf5stockEi", true },
		{ "helf::stock", "_ZN4shop5shelf5stockEi", false },
		{ "shelf", "_ZN4shop5shelf5stockEi", false },
		{ "_ZN4shop5shelf5stockEi", "_ZN4shop5shelf5stockEi", true },
		{ "stock", "_ZN4shop5shelf5stockEi.cold", true },
		{ "operator new", "_Znwm", true },
		{ "operator new(unsigned long)", "_Znwm", true },
		{ "operator new", "_ZdlPv", false },
		{ "", "parse", false },
		{ "stock", "_ZN4stock", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (inject_name__is_function(names[i].wanted, names[i].symbol) != names[i].is)
			fail_msg("'%s' of '%s'", names[i].wanted, names[i].symbol);
}

static void test_file_names(void **state)
{
	static const struct {
		const char *wanted, *path;
		bool is;
	} names[] = {
		{ "libfoo.so", "/usr/lib/libfoo.so", true },
		{ "libfoo.so", "/usr/lib/libfoo.so.1.2", true },
		{ "libfoo.so.1", "/usr/lib/libfoo.so.1.2", false },
		{ "libfoo", "/usr/lib/libfoo.so", false },
		{ "foo.so", "/usr/lib/libfoo.so", false },
		{ "lib/libfoo.so", "/usr/lib/libfoo.so", true },
		{ "/usr/lib/libfoo.so", "/usr/lib/libfoo.so", true },
		{ "app", "/opt/app", true },
		{ "app", "/opt/app2", false },
		{ ".so", "/usr/lib/libfoo.so", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (inject_name__is_file(names[i].wanted, names[i].path) != names[i].is)
			fail_msg("'%s' of '%s'", names[i].wanted, names[i].path);
}

static struct elf_file *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return elf__open(fd);
}

static void named_in_here(void)
{
}

/* This very program: names that are there, and those that are not. */
static void test_functions_of_a_file(void **state)
{
	static const char *const wanted[] = { "named_in_here", "named_nowhere" };
	bool found[2] = { false };
	struct inject_names names = { wanted, 2, found, INJECT_ONLY };
	struct inject_pieces pieces = { 0 };
	struct elf_file *elf = open_file("/proc/self/exe");

	inject_names__find_functions(&names, elf, &pieces);
	assert_true(found[0]);
	assert_false(found[1]);
	assert_int_equal(pieces.nr > 0 && pieces.nr < 4, 1);
	/* Pages are mapped whole: the low bits are the same in memory. */
	assert_int_equal(pieces.all[0].start & 0xfff, (uintptr_t)named_in_here & 0xfff);
	assert_int_equal(pieces.all[0].mark, INJECT_ONLY);
	assert_false(inject_names__is_loader(elf));
	inject_pieces__clear(&pieces);
	elf__close(elf);
}

/* The loader that this program names, if it is a glibc's. */
static void test_loader(void **state)
{
	static const char loader[] = "/lib64/ld-linux-x86-64.so.2";
	struct inject_pieces pieces = { 0 };
	struct elf_file *elf;

	if (access(loader, R_OK))
		skip();
	elf = open_file(loader);
	assert_true(inject_names__is_loader(elf));
	elf__close(elf);
	elf = open_file("/lib/x86_64-linux-gnu/libc.so.6");
	assert_false(inject_names__is_loader(elf));
	inject_names__find_untouchable(elf, &pieces);
	assert_true(pieces.nr >= 4); /* __cxa_atexit, on_exit, dlopen, pthread_create */
	assert_false(inject_names__is_musl(elf));
	inject_pieces__clear(&pieces);
	elf__close(elf);
}

static void test_musl(void **state)
{
	static const char library[] = "/lib/ld-musl-x86_64.so.1";
	struct elf_file *elf;

	if (access(library, R_OK))
		skip();
	elf = open_file(library);
	assert_true(inject_names__is_musl(elf));
	assert_false(inject_names__is_loader(elf));
	elf__close(elf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_nothing_is_no_piece),
		cmocka_unit_test(test_random_pieces),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_function_names),
		cmocka_unit_test(test_file_names),
		cmocka_unit_test(test_functions_of_a_file),
		cmocka_unit_test(test_loader),
		cmocka_unit_test(test_musl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
