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
#include "probe/custom.h"
#include "probe_abi.h"
#include "symbol/elf.h"
#include "wire.h"

/* Link-time addresses 0x1000..0x1fff are at the file offsets 0..0xfff. */
#define BASE 0x1000

enum { GLOBAL, LOCAL, UNDEFINED };

struct symbol {
	const char *name;
	uint64_t vaddr;
	int kind;
};

enum { LIBRARY, DYNAMIC, STATIC };

struct elf_file {
	int machine;
	bool is_64bit;
	const struct symbol *symbols;
	size_t nr;
	uint8_t code[0x1000];
	int kind;
};

int elf__machine(const struct elf_file *elf)
{
	return elf->machine;
}

bool elf__is_64bit(const struct elf_file *elf)
{
	return elf->is_64bit;
}

bool elf__is_program(const struct elf_file *elf)
{
	return elf->kind != LIBRARY;
}

bool elf__has_interpreter(const struct elf_file *elf)
{
	return elf->kind == DYNAMIC;
}

bool elf__is_code(const struct elf_file *elf, uint64_t vaddr)
{
	return vaddr >= BASE && vaddr < BASE + sizeof(elf->code);
}

uint64_t elf__dynamic(const struct elf_file *elf, int64_t tag)
{
	return 0;
}

bool elf__has_symbols(struct elf_file *elf)
{
	return elf->nr != 0;
}

void elf__for_each_symbol(struct elf_file *elf,
			  bool (*visit)(const struct elf_symbol *symbol, void *data), void *data)
{
	for (size_t i = 0; i < elf->nr; i++) {
		const struct elf_symbol symbol = { .name = elf->symbols[i].name,
						   .vaddr = elf->symbols[i].vaddr,
						   .is_local = elf->symbols[i].kind == LOCAL,
						   .is_undefined =
							   elf->symbols[i].kind == UNDEFINED };
		if (!visit(&symbol, data))
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

static int find_in(const struct symbol *symbols, size_t nr, int kind,
		   struct allocator_config *config, struct probe_site **sites)
{
	struct elf_file elf = { EM_X86_64, true, symbols, nr, { 0 }, kind };

	memset(elf.code, 0x90, sizeof(elf.code));
	memcpy(elf.code + 0x100, "\x48\x85\xff\x74\x20\x53\xc3", 7); /* test; je; push rbx */
	memcpy(elf.code + 0x200, "\x80\x3d\x00\x00\x00\x00\x00\x74\x02", 9); /* cmp; je */
	memcpy(elf.code + 0x300, "\x49\x89\xd0\x31\xd2\x49\x89\xf9\x31\xff\x53", 11);
	memcpy(elf.code + 0x400, "\xf3\x0f\x1e\xfa\x53", 5); /* endbr64; push rbx */
	return allocators__find(&elf, config, "/some/where/libfile.so", sites);
}

static int find(const struct symbol *symbols, size_t nr, struct probe_site **sites)
{
	return find_in(symbols, nr, LIBRARY, NULL, sites);
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

	assert_string_equal(fn->symbol, "posix_memalign");
	assert_string_equal(fn->family, "GLIBC");
	assert_int_equal(fn->size, 3);
	assert_int_equal(fn->count, 0);
	assert_int_equal(fn->out, 1);
	assert_true(alloc_fn__returns(fn));
	assert_false(alloc_fn__returns(alloc_fn__by_number(5)));
	assert_null(alloc_fn__by_number(0));
	assert_null(alloc_fn__by_number(65535));
}

/* What a recording relies on, and the search. */
static void the_table_is_consistent(void **state)
{
	assert_string_equal(alloc_fn__by_number(10)->symbol, "pvalloc");
	assert_string_equal(alloc_fn__by_number(128)->family, "JEMALLOC");
	for (size_t i = 0; i < nr_alloc_fns; i++) {
		const struct alloc_fn *fn = &alloc_fns[i];

		assert_in_range(fn->number, 1, WIRE_FUNCTION_USER - 1);
		assert_ptr_equal(alloc_fn__by_number(fn->number), fn);
		assert_int_equal(alloc_fn__returns(fn), fn->size != 0);
		assert_true(fn->size || fn->ptr);
		assert_true(fn->size <= PLACE_MAX_ARGS && fn->count <= PLACE_MAX_ARGS);
		for (size_t j = 0; j < i; j++)
			assert_false(!strcmp(alloc_fns[j].symbol, fn->symbol) &&
				     !strcmp(alloc_fns[j].family, fn->family));
	}
}

static void sites_of_a_library(void **state)
{
	static const struct symbol symbols[] = {
		{ "memalign", 0x1200, GLOBAL },
		{ "free", 0x1100, GLOBAL },
		{ "__libc_malloc", 0x1000, GLOBAL },
		{ "aligned_alloc", 0x1200, GLOBAL },
		{ "malloc", 0x1000, GLOBAL },
		{ "posix_memalign", 0x1300, GLOBAL },
		{ "main", 0x1080, GLOBAL },
		{ "malloc", 0x1000, GLOBAL },
		{ "malloc_usable_size", 0x1500, GLOBAL },
		{ "realloc", 0x1400, GLOBAL },
		{ "mallocx", 0x1600, GLOBAL },
		{ "__libc_start_main", 0x1700, GLOBAL },
		{ "gnu_get_libc_version", 0x1710, GLOBAL },
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
	static const struct symbol symbols[] = { { "main", 0x1000, GLOBAL }, { "xmalloc", 0x1000, GLOBAL } };
	struct probe_site *sites;

	assert_int_equal(find(symbols, ARRAY_SIZE(symbols), &sites), 0);
	assert_null(sites);
	assert_int_equal(find(NULL, 0, &sites), 0);
	assert_null(sites);
}

static void the_loaders_own(void **state)
{
	static const struct symbol symbols[] = { { "malloc", 0x1000, GLOBAL },
						 { "free", 0x1100, GLOBAL },
						 { "_dl_allocate_tls", 0x1080, GLOBAL },
						 { "__libc_start_main", 0x1090, GLOBAL } };
	struct probe_site *sites;

	assert_int_equal(find(symbols, 3, &sites), 0);
	assert_null(sites);
	/* A static program is its own loader. */
	assert_int_equal(find_in(symbols, 4, STATIC, NULL, &sites), 2);
	free(sites);
}

static void one_instruction_of_two(void **state)
{
	/* valloc runs into pvalloc: endbr64, then the same push. */
	static const struct symbol symbols[] = { { "valloc", 0x1400, GLOBAL },
						 { "pvalloc", 0x1404, GLOBAL },
						 { "mallctl", 0x1500, GLOBAL } };
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
	symbols[0] = (struct symbol){ "malloc", 0x5000, GLOBAL };
	assert_int_equal(find(symbols, 1, &sites), 0);
	assert_null(sites);
	symbols[1] = (struct symbol){ "free", 0x1fff, GLOBAL };
	assert_int_equal(find(symbols, 2, &sites), 1);
	assert_int_equal(sites[0].file_offset, 0xfff);
	free(sites);
	/* Any number of them. */
	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++)
		symbols[i] = (struct symbol){ i ? "malloc" : "free", 0x1500 + i, GLOBAL };
	int nr = find(symbols, ARRAY_SIZE(symbols), &sites);
	assert_true(nr > 0 && nr < (int)ARRAY_SIZE(symbols));
	free(sites);
}

static void other_machines(void **state)
{
	static const struct symbol symbols[] = { { "malloc", 0x1000, GLOBAL } };
	struct elf_file elf = { EM_AARCH64, true, symbols, 1, { 0 }, LIBRARY };
	struct probe_site *sites;

	assert_int_equal(allocators__find(&elf, NULL, NULL, &sites), -ENOTSUP);
	elf.machine = EM_386;
	elf.is_64bit = false;
	assert_int_equal(allocators__find(&elf, NULL, NULL, &sites), -ENOTSUP);
	/* x32 */
	elf.machine = EM_X86_64;
	assert_int_equal(allocators__find(&elf, NULL, NULL, &sites), -ENOTSUP);
}

/* The family of the site of a symbol, NULL: it has none. */
static const char *family_at(const struct probe_site *sites, int nr, const char *symbol)
{
	for (int i = 0; i < nr; i++) {
		if (!strcmp(sites[i].fn->symbol, symbol))
			return sites[i].fn->family;
	}
	return NULL;
}

static void expect_family(const struct symbol *symbols, size_t nr, int kind, const char *symbol,
			  const char *family)
{
	struct probe_site *sites;
	int nr_sites = find_in(symbols, nr, kind, NULL, &sites);
	const char *found = family_at(sites, nr_sites, symbol);

	if (family)
		assert_string_equal(found ? found : "none", family);
	else
		assert_null(found);
	free(sites);
}

static void the_file_tells_the_family(void **state)
{
	/* The first is the marker; without any it is somebody's own. */
	static const struct {
		const char *marker, *family;
		int kind;
	} files[] = {
		{ "gnu_get_libc_version", "GLIBC", LIBRARY },
		{ "__libc_start_main", "MUSL", LIBRARY },
		{ "__libc_start_main", "OTHER", STATIC },
		{ "__libc_mallopt", "GLIBC", STATIC },
		{ "__malloc_alloc_meta", "MUSL", STATIC },
		{ "mallctl", "JEMALLOC", LIBRARY },
		{ "tc_version", "TCMALLOC", LIBRARY },
		{ "mi_version", "MIMALLOC", LIBRARY },
		{ "main", "OTHER", DYNAMIC },
		/* jemalloc with a prefix stands beside another malloc. */
		{ "je_mallctl", "OTHER", DYNAMIC },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const struct symbol symbols[] = { { files[i].marker, 0x1080, GLOBAL },
						  { "malloc", 0x1000, GLOBAL },
						  { "free", 0x1100, GLOBAL } };

		expect_family(symbols, 3, files[i].kind, "malloc", files[i].family);
		expect_family(symbols, 3, files[i].kind, "free", files[i].family);
	}
}

static void two_names_tell_the_family(void **state)
{
	/* As in a static program with mimalloc in place of glibc's malloc. */
	static const struct symbol taken[] = { { "gnu_get_libc_version", 0x1080, GLOBAL },
					       { "mi_malloc", 0x1000, GLOBAL },
					       { "malloc", 0x1000, GLOBAL },
					       { "calloc", 0x1040, GLOBAL } };
	static const struct symbol beside[] = { { "gnu_get_libc_version", 0x1080, GLOBAL },
						{ "mi_malloc", 0x1000, GLOBAL },
						{ "malloc", 0x1200, GLOBAL },
						{ "mi_free", 0x1300, GLOBAL } };

	expect_family(taken, 4, STATIC, "malloc", "MIMALLOC");
	expect_family(taken, 4, STATIC, "calloc", "MIMALLOC");
	expect_family(taken, 4, STATIC, "mi_malloc", NULL);
	expect_family(beside, 4, STATIC, "malloc", "GLIBC");
	expect_family(beside, 4, STATIC, "mi_malloc", "MIMALLOC");
	/* Nobody's allocator only gives. */
	expect_family(beside, 3, STATIC, "mi_malloc", NULL);
}

static void unprefixed_names_need_the_family(void **state)
{
	static const struct symbol symbols[] = { { "mallocx", 0x1000, GLOBAL },
						 { "reallocf", 0x1100, GLOBAL },
						 { "mallctl", 0x1200, GLOBAL } };

	expect_family(symbols, 2, LIBRARY, "mallocx", NULL);
	expect_family(symbols, 3, LIBRARY, "mallocx", "JEMALLOC");
	expect_family(symbols, 3, LIBRARY, "reallocf", NULL);
}

static void operators(void **state)
{
	static const struct symbol symbols[] = { { "_Znwm", 0x1000, GLOBAL },
						 { "_ZdlPvm", 0x1100, GLOBAL },
						 { "_ZSt15get_new_handlerv", 0x1200, GLOBAL },
						 { "mallctl", 0x1300, GLOBAL },
						 { "malloc", 0x1400, GLOBAL } };
	struct probe_site *sites;

	/* A library's own, and the C++ library's, which call malloc. */
	expect_family(symbols, 2, LIBRARY, "_Znwm", "CXX");
	expect_family(symbols, 3, LIBRARY, "_Znwm", NULL);
	/* In a program nobody knows whose they are. */
	expect_family(symbols, 3, DYNAMIC, "_Znwm", "CXX");
	expect_family(symbols, 5, LIBRARY, "_Znwm", "JEMALLOC");
	/* One may throw, and is watched where it returns; the other may call free. */
	assert_int_equal(find(symbols, 2, &sites), 3);
	assert_int_equal(sites[0].role, PROBE_ROLE_THROWING);
	assert_int_equal(sites[1].role, PROBE_ROLE_RETURNING);
	expect_cookie(&sites[1], 31, 31, 7, 31);
	assert_int_equal(sites[2].role, PROBE_ROLE_RETURN);
	assert_int_equal(PROBE_ROLE(sites[2].cookie), PROBE_ROLE_RETURN);
	assert_true(sites[2].vaddr > sites[0].vaddr);
	free(sites);
}

static void one_end_is_no_allocator(void **state)
{
	/* As in libbsd. */
	static const struct symbol symbols[] = { { "reallocarray", 0x1000, GLOBAL },
						 { "free", 0x1100, UNDEFINED },
						 { "cfree", 0x1200, GLOBAL } };

	expect_family(symbols, 2, LIBRARY, "reallocarray", NULL);
	expect_family(symbols, 3, LIBRARY, "reallocarray", "OTHER");
}

static void local_names(void **state)
{
	static const struct symbol linked[] = { { "free", 0x1000, LOCAL },
						{ "malloc", 0x1100, LOCAL } };
	static const struct symbol symbols[] = { { "free", 0x1000, LOCAL },
						 { "je_malloc", 0x1100, LOCAL },
						 { "free", 0x1200, LOCAL },
						 { "malloc", 0x1300, UNDEFINED },
						 { "je_sdallocx", 0x1400, LOCAL } };

	expect_family(symbols, 4, DYNAMIC, "free", NULL);
	expect_family(symbols, 4, DYNAMIC, "malloc", NULL);
	expect_family(symbols, 5, DYNAMIC, "je_malloc", "JEMALLOC");
	/* Made local by the linker, or a name of somebody's own. */
	expect_family(linked, 2, STATIC, "free", "OTHER");
	expect_family(linked, 2, DYNAMIC, "free", NULL);
	expect_family(symbols, 4, STATIC, "free", NULL);
}

static void roles(void **state)
{
	static const struct symbol symbols[] = { { "gnu_get_libc_version", 0x1080, GLOBAL },
						 { "free", 0x1100, GLOBAL },
						 { "mmap", 0x1200, GLOBAL },
						 { "munmap", 0x1300, GLOBAL },
						 { "cfree", 0x1400, GLOBAL },
						 { "sbrk", 0x1500, GLOBAL } };
	struct allocator_config config = { .mmap = true };
	struct probe_site *sites;

	assert_int_equal(find(symbols, 6, &sites), 2);
	assert_int_equal(sites[0].role, PROBE_ROLE_FREE);
	assert_int_equal(sites[1].role, PROBE_ROLE_RETURNING);
	free(sites);
	/* With munmap probed free must hide it. */
	assert_int_equal(find_in(symbols, 6, LIBRARY, &config, &sites), 5);
	assert_int_equal(sites[0].role, PROBE_ROLE_RETURNING);
	assert_string_equal(sites[2].fn->symbol, "mmap");
	assert_int_equal(sites[2].role, PROBE_ROLE_MAPPING);
	expect_cookie(&sites[2], 6, 1, 31, 31);
	assert_string_equal(sites[3].fn->symbol, "munmap");
	assert_int_equal(sites[3].role, PROBE_ROLE_FREE);
	assert_string_equal(sites[4].fn->symbol, "sbrk");
	expect_cookie(&sites[4], 7, 31, 31, 31);
	free(sites);
}

static void the_users_own(void **state)
{
	static const struct symbol symbols[] = { { "malloc", 0x1000, GLOBAL },
						 { "pool_get", 0x1100, LOCAL },
						 { "pool_put", 0x1400, GLOBAL } };
	struct allocator_config config = { 0 };
	struct probe_site *sites;

	assert_int_equal(custom__parse(&config.custom,
				       "malloc=pool_get(size=2) free=pool_put@libfile.so "
				       "free=nowhere free=pool_put@other.so malloc=malloc "
				       "malloc=0x1200 free=0x1300@libfile.so free=0x9000@libfile.so",
				       "test"),
			 0);
	assert_int_equal(find_in(symbols, 3, LIBRARY, &config, &sites), 4);
	/* By number: pool_get, pool_put, malloc that is the user's now, the address in this file. */
	assert_string_equal(sites[0].fn->symbol, "pool_get");
	assert_string_equal(sites[0].fn->family, "user");
	assert_int_equal(PROBE_REG(sites[0].cookie, PROBE_SIZE_SHIFT), 6);
	assert_int_equal(PROBE_FUNC(sites[0].cookie), WIRE_FUNCTION_USER);
	assert_int_equal(sites[1].vaddr, 0x1400);
	assert_int_equal(sites[1].role, PROBE_ROLE_RETURNING);
	assert_string_equal(sites[2].fn->family, "user");
	assert_int_equal(sites[3].vaddr, 0x1300);
	free(sites);
	assert_int_equal(config.custom.items[2].nr_found, 0);
	assert_int_equal(config.custom.items[3].nr_found, 0);
	assert_int_equal(config.custom.items[7].nr_found, 0);
	/* The program's own address. */
	assert_int_equal(find_in(symbols, 0, STATIC, &config, &sites), 2);
	assert_string_equal(sites[0].fn->symbol, "0x1200");
	free(sites);
	custom__clear(&config.custom);
}

static void memory_from_the_kernel(void **state)
{
	static const struct symbol symbols[] = { { "mmap", 0x1000, GLOBAL },
						 { "malloc", 0, UNDEFINED },
						 { "sbrk", 0, UNDEFINED } };
	struct elf_file elf = { EM_X86_64, true, symbols, 2, { 0 }, LIBRARY };
	char *why;

	assert_false(allocators__maps_memory(&elf));
	assert_null(allocators__why_none(&elf, "x"));
	elf.nr = 3;
	assert_true(allocators__maps_memory(&elf));
	elf.nr = 0;
	elf.kind = STATIC;
	assert_true(allocators__maps_memory(&elf));
	why = allocators__why_none(&elf, "/bin/x");
	assert_non_null(strstr(why, "/bin/x is a static program without symbols"));
	free(why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_consistent),
		cmocka_unit_test(the_file_tells_the_family),
		cmocka_unit_test(two_names_tell_the_family),
		cmocka_unit_test(unprefixed_names_need_the_family),
		cmocka_unit_test(operators),
		cmocka_unit_test(local_names),
		cmocka_unit_test(one_end_is_no_allocator),
		cmocka_unit_test(roles),
		cmocka_unit_test(the_users_own),
		cmocka_unit_test(memory_from_the_kernel),
		cmocka_unit_test(table),	  cmocka_unit_test(sites_of_a_library),
		cmocka_unit_test(no_allocator),	  cmocka_unit_test(the_loaders_own),
		cmocka_unit_test(damaged),	  cmocka_unit_test(one_instruction_of_two),
		cmocka_unit_test(other_machines),
	};

	return cmocka_run_group_tests_name("allocators", tests, NULL, NULL);
}
