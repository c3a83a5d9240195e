// SPDX-License-Identifier: BSD-2-Clause
/* Which functions allocators__find sees in a file. The file is played by this test. */
#include "probe/allocators.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "base/util.h"
#include "probe_abi.h"
#include "symbol/elf.h"

/* Link-time addresses 0x1000..0x1fff are at the file offsets 0..0xfff. */
#define BASE 0x1000

struct symbol {
	const char *name;
	uint64_t vaddr;
};

struct elf_file {
	int machine;
	bool is_64bit;
	const struct symbol *symbols;
	size_t nr;
	uint8_t code[0x1000];
};

int elf__machine(const struct elf_file *elf)
{
	return elf->machine;
}

bool elf__is_64bit(const struct elf_file *elf)
{
	return elf->is_64bit;
}

void elf__for_each_function(struct elf_file *elf,
			    bool (*visit)(const char *name, uint64_t vaddr, uint64_t size,
					  void *data),
			    void *data)
{
	for (size_t i = 0; i < elf->nr; i++) {
		if (!visit(elf->symbols[i].name, elf->symbols[i].vaddr, 0, data))
			return;
	}
}

int elf__vaddr_to_offset(const struct elf_file *elf, uint64_t vaddr, uint64_t *offset)
{
	if (vaddr < BASE || vaddr >= BASE + sizeof(elf->code))
		return -ENOENT;
	*offset = vaddr - BASE;
	return 0;
}

ssize_t elf__read(const struct elf_file *elf, uint64_t vaddr, void *buffer, size_t len)
{
	uint64_t offset;

	if (elf__vaddr_to_offset(elf, vaddr, &offset))
		return -ENOENT;
	len = min(len, sizeof(elf->code) - offset);
	memcpy(buffer, elf->code + offset, len);
	return (ssize_t)len;
}

static int find(const struct symbol *symbols, size_t nr, struct probe_site **sites)
{
	struct elf_file elf = { EM_X86_64, true, symbols, nr, { 0 } };

	memset(elf.code, 0x90, sizeof(elf.code));
	memcpy(elf.code + 0x100, "\x48\x85\xff\x74\x20\x53\xc3", 7); /* test; je; push rbx */
	memcpy(elf.code + 0x200, "\x80\x3d\x00\x00\x00\x00\x00\x74\x02", 9); /* cmp; je */
	memcpy(elf.code + 0x300, "\x49\x89\xd0\x31\xd2\x49\x89\xf9\x31\xff\x53", 11);
	memcpy(elf.code + 0x400, "\xf3\x0f\x1e\xfa\x53", 5); /* endbr64; push rbx */
	return allocators__find(&elf, sites);
}

static void expect_cookie(const struct probe_site *site, unsigned size, unsigned count,
			  unsigned ptr, unsigned out)
{
	assert_int_equal(PROBE_FUNC(site->cookie), site->fn->number);
	assert_int_equal(PROBE_REG(site->cookie, PROBE_SIZE_SHIFT), size);
	assert_int_equal(PROBE_REG(site->cookie, PROBE_COUNT_SHIFT), count);
	assert_int_equal(PROBE_REG(site->cookie, PROBE_PTR_SHIFT), ptr);
	assert_int_equal(PROBE_REG(site->cookie, PROBE_OUT_SHIFT), out);
	assert_int_equal(PROBE_PUSHED(site->cookie), site->place.pushed_words);
}

static void table(void **state)
{
	const struct alloc_fn *fn = alloc_fn__by_number(6);

	assert_int_equal(nr_alloc_fns, 10);
	assert_string_equal(fn->symbol, "posix_memalign");
	assert_string_equal(fn->family, "GLIBC");
	assert_int_equal(fn->size, 3);
	assert_int_equal(fn->count, 0);
	assert_int_equal(fn->out, 1);
	assert_true(alloc_fn__returns(fn));
	assert_false(alloc_fn__returns(alloc_fn__by_number(5)));
	assert_null(alloc_fn__by_number(0));
	assert_null(alloc_fn__by_number(65535));
	for (size_t i = 1; i < nr_alloc_fns; i++)
		assert_true(alloc_fns[i].number > alloc_fns[i - 1].number);
}

static void sites_of_a_library(void **state)
{
	static const struct symbol symbols[] = {
		{ "memalign", 0x1200 },
		{ "free", 0x1100 },
		{ "__libc_malloc", 0x1000 },
		{ "aligned_alloc", 0x1200 },
		{ "malloc", 0x1000 },
		{ "posix_memalign", 0x1300 },
		{ "main", 0x1080 },
		{ "malloc", 0x1000 },
		{ "malloc_usable_size", 0x1500 },
		{ "realloc", 0x1400 },
		{ "mallocx", 0x1600 },
		{ "__libc_start_main", 0x1700 },
	};
	struct probe_site *sites;

	assert_int_equal(find(symbols, ARRAY_SIZE(symbols), &sites), 5);
	assert_string_equal(sites[0].fn->symbol, "malloc");
	assert_int_equal(sites[0].file_offset, 0);
	assert_int_equal(sites[0].vaddr, 0x1000);
	assert_true(sites[0].place.emulated);
	expect_cookie(&sites[0], 7, 31, 31, 31);
	assert_string_equal(sites[1].fn->symbol, "realloc");
	assert_int_equal(sites[1].file_offset, 0x404);
	expect_cookie(&sites[1], 6, 31, 7, 31);
	assert_string_equal(sites[2].fn->symbol, "free");
	assert_int_equal(sites[2].file_offset, 0x105);
	assert_int_equal(sites[2].vaddr, 0x1100);
	expect_cookie(&sites[2], 31, 31, 7, 31);
	/* Both arguments have moved: the size to r8, the out pointer to r9. */
	assert_string_equal(sites[3].fn->symbol, "posix_memalign");
	assert_int_equal(sites[3].file_offset, 0x30a);
	expect_cookie(&sites[3], 8, 31, 31, 9);
	/* Two names, one address. */
	assert_string_equal(sites[4].fn->symbol, "aligned_alloc");
	assert_int_equal(sites[4].file_offset, 0x207);
	expect_cookie(&sites[4], 6, 31, 31, 31);
	free(sites);
}

static void no_allocator(void **state)
{
	static const struct symbol symbols[] = { { "main", 0x1000 }, { "xmalloc", 0x1000 } };
	struct probe_site *sites;

	assert_int_equal(find(symbols, ARRAY_SIZE(symbols), &sites), 0);
	assert_null(sites);
	assert_int_equal(find(NULL, 0, &sites), 0);
	assert_null(sites);
}

static void the_loaders_own(void **state)
{
	static const struct symbol symbols[] = { { "malloc", 0x1000 },
						 { "free", 0x1100 },
						 { "_dl_allocate_tls", 0x1080 },
						 { "__libc_start_main", 0x1090 } };
	struct probe_site *sites;

	assert_int_equal(find(symbols, 3, &sites), 0);
	assert_null(sites);
	/* A static program is its own loader. */
	assert_int_equal(find(symbols, 4, &sites), 2);
	free(sites);
}

static void one_instruction_of_two(void **state)
{
	/* valloc runs into pvalloc: endbr64, then the same push. */
	static const struct symbol symbols[] = { { "valloc", 0x1400 }, { "pvalloc", 0x1404 } };
	struct probe_site *sites;

	assert_int_equal(find(symbols, ARRAY_SIZE(symbols), &sites), 1);
	assert_string_equal(sites[0].fn->symbol, "valloc");
	free(sites);
}

static void damaged(void **state)
{
	struct symbol symbols[1000];
	struct probe_site *sites;

	/* Outside the file; at its last byte. */
	symbols[0] = (struct symbol){ "malloc", 0x5000 };
	assert_int_equal(find(symbols, 1, &sites), 0);
	assert_null(sites);
	symbols[1] = (struct symbol){ "free", 0x1fff };
	assert_int_equal(find(symbols, 2, &sites), 1);
	assert_int_equal(sites[0].file_offset, 0xfff);
	free(sites);
	/* Any number of them. */
	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++)
		symbols[i] = (struct symbol){ "malloc", 0x1500 + i };
	int nr = find(symbols, ARRAY_SIZE(symbols), &sites);
	assert_true(nr > 0 && nr < (int)ARRAY_SIZE(symbols));
	free(sites);
}

static void other_machines(void **state)
{
	static const struct symbol symbols[] = { { "malloc", 0x1000 } };
	struct elf_file elf = { EM_AARCH64, true, symbols, 1, { 0 } };
	struct probe_site *sites;

	assert_int_equal(allocators__find(&elf, &sites), -ENOTSUP);
	elf.machine = EM_386;
	elf.is_64bit = false;
	assert_int_equal(allocators__find(&elf, &sites), -ENOTSUP);
	/* x32 */
	elf.machine = EM_X86_64;
	assert_int_equal(allocators__find(&elf, &sites), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),	  cmocka_unit_test(sites_of_a_library),
		cmocka_unit_test(no_allocator),	  cmocka_unit_test(the_loaders_own),
		cmocka_unit_test(damaged),	  cmocka_unit_test(one_instruction_of_two),
		cmocka_unit_test(other_machines),
	};

	return cmocka_run_group_tests_name("allocators", tests, NULL, NULL);
}
