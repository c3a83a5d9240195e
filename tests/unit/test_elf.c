// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/elf.h"

/* In C the name of a static function is a symbol of the test program itself. */
static __attribute__((noipa)) int well_known_function(int x)
{
	return x * 3;
}

static int self_base(struct dl_phdr_info *info, size_t size, void *data)
{
	*(uintptr_t *)data = info->dlpi_addr;
	return 1; /* the program comes first */
}

static uint64_t vaddr_of(const void *address)
{
	uintptr_t base = 0;

	dl_iterate_phdr(self_base, &base);
	return (uintptr_t)address - base;
}

static struct elf_file *open_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct elf_file *elf = elf__open(fd);

	assert_non_null(elf);
	/* The file stays readable without the caller's descriptor. */
	close(fd);
	return elf;
}

static void own_file_is_described(void **state)
{
	struct elf_file *elf = open_self();

	assert_int_equal(elf__is_64bit(elf), sizeof(void *) == 8);
	assert_true(elf__has_interpreter(elf));
	assert_true(elf__has_symbols(elf));
	assert_true(elf__has_debug_info(elf));
#ifdef __x86_64__
	assert_int_equal(elf__machine(elf), EM_X86_64);
#endif
	elf__close(elf);
	elf__close(NULL);
}

struct wanted {
	const char *name;
	uint64_t vaddr, size;
	unsigned nr_found, nr_seen;
};

static bool match(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	struct wanted *wanted = data;

	wanted->nr_seen++;
	if (!strcmp(name, wanted->name)) {
		wanted->nr_found++;
		wanted->vaddr = vaddr;
		wanted->size = size;
	}
	return true;
}

static bool stop(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	++*(unsigned *)data;
	return false;
}

static void functions_are_visited(void **state)
{
	struct wanted mine = { .name = "well_known_function" };
	struct wanted undefined = { .name = "dl_iterate_phdr" }, object = { .name = "environ" };
	struct elf_file *elf = open_self();
	unsigned nr = 0;

	elf__for_each_function(elf, match, &mine);
	assert_int_equal(mine.nr_found, 1);
	assert_int_equal(mine.vaddr, vaddr_of(well_known_function));
	assert_in_range(mine.size, 1, 4096);
	elf__for_each_function(elf, match, &object);
	assert_int_equal(object.nr_found, 0);
	elf__for_each_function(elf, match, &undefined);
	assert_int_equal(undefined.nr_found, 0);
	elf__for_each_function(elf, stop, &nr);
	assert_int_equal(nr, 1);
	elf__close(elf);
}

struct wanted_symbol {
	const char *name;
	struct elf_symbol found;
	unsigned nr;
};

static bool match_symbol(const struct elf_symbol *symbol, void *data)
{
	struct wanted_symbol *wanted = data;

	if (!strcmp(symbol->name, wanted->name)) {
		wanted->found = *symbol;
		wanted->nr++;
	}
	return true;
}

static void symbols_tell_their_kind(void **state)
{
	struct wanted_symbol local = { .name = "well_known_function" };
	struct wanted_symbol global = { .name = "main" }, taken = { .name = "fcntl64" };
	struct wanted_symbol other = { .name = "fcntl" };
	struct elf_file *elf = open_self();

	elf__for_each_symbol(elf, match_symbol, &local);
	assert_int_equal(local.nr, 1);
	assert_true(local.found.is_local);
	assert_false(local.found.is_undefined);
	assert_int_equal(local.found.vaddr, vaddr_of(well_known_function));
	elf__for_each_symbol(elf, match_symbol, &global);
	assert_true(global.nr >= 1);
	assert_false(global.found.is_local);
	/* elf.c calls it, by one of the names it has. */
	elf__for_each_symbol(elf, match_symbol, &taken);
	elf__for_each_symbol(elf, match_symbol, &other);
	assert_true(taken.nr + other.nr >= 1);
	assert_true(taken.nr ? taken.found.is_undefined : other.found.is_undefined);
	elf__close(elf);
}

static void programs_and_libraries(void **state)
{
	struct elf_file *elf = open_self();
	Dl_info info;
	int fd;

	assert_true(elf__is_program(elf));
	assert_true(elf__is_code(elf, vaddr_of(well_known_function)));
	assert_false(elf__is_code(elf, vaddr_of(&environ)));
	assert_false(elf__is_code(elf, UINT64_MAX));
	elf__close(elf);
	/* A library that can be run, too. */
	assert_true(dladdr((void *)(uintptr_t)strtoul, &info));
	fd = open(info.dli_fname, O_RDONLY);
	elf = elf__open(fd);
	assert_non_null(elf);
	assert_false(elf__is_program(elf));
	elf__close(elf);
	close(fd);
}

static void offsets_and_addresses_convert(void **state)
{
	uint64_t vaddr = vaddr_of(well_known_function), offset, back;
	struct elf_file *elf = open_self();

	assert_int_equal(elf__vaddr_to_offset(elf, vaddr, &offset), 0);
	assert_int_equal(elf__offset_to_vaddr(elf, offset, &back), 0);
	assert_int_equal(back, vaddr);
	assert_int_equal(elf__vaddr_to_offset(elf, UINT64_MAX, &offset), -ENOENT);
	assert_int_equal(elf__offset_to_vaddr(elf, 1ull << 40, &offset), -ENOENT);
	elf__close(elf);
}

/* What the kernel mapped must be where the segments say. */
static void mappings_start_where_segments_say(void **state)
{
	uint64_t start, end, offset, vaddr, inode;
	struct elf_file *elf = open_self();
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4096], perms[8], exe[4096] = "", path[4096];
	unsigned nr = 0;

	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	while (fgets(line, sizeof(line), maps)) {
		path[0] = '\0';
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %" SCNu64 " %4095s",
			   &start, &end, perms, &offset, &inode, path) < 5 ||
		    strcmp(path, exe) || perms[2] != 'x')
			continue;
		assert_int_equal(elf__offset_to_vaddr(elf, offset, &vaddr), 0);
		assert_int_equal(vaddr, vaddr_of((void *)(uintptr_t)start));
		nr++;
	}
	assert_true(nr > 0);
	fclose(maps);
	elf__close(elf);
}

static void contents_are_read(void **state)
{
	struct elf_file *elf = open_self();
	uint64_t vaddr = vaddr_of(well_known_function);
	uint8_t bytes[16];
	char *all = xmalloc(1 << 26);
	ssize_t got;

	assert_int_equal(elf__read(elf, vaddr, bytes, sizeof(bytes)), sizeof(bytes));
	assert_memory_equal(bytes, (const void *)well_known_function, sizeof(bytes));
	/* No further than the segment goes. */
	got = elf__read(elf, vaddr, all, 1 << 26);
	assert_in_range(got, 16, (1 << 26) - 1);
	assert_int_equal(elf__read(elf, vaddr + (uint64_t)got - 1, all, 100), 1);
	assert_int_equal(elf__read(elf, UINT64_MAX, all, 1), -ENOENT);
	free(all);
	elf__close(elf);
}

/* A little ELF file by hand: one page-unaligned code segment, a build-id note. */
struct small {
	Elf64_Ehdr header;
	Elf64_Phdr segments[3];
	struct {
		Elf64_Nhdr note;
		char name[4];
		uint8_t id[20];
	} note;
};

static struct small small_elf(void)
{
	struct small file = {
		.header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB
										   : ELFDATA2MSB,
					 EV_CURRENT },
			    .e_type = ET_DYN,
			    .e_machine = EM_AARCH64,
			    .e_version = EV_CURRENT,
			    .e_phoff = offsetof(struct small, segments),
			    .e_ehsize = sizeof(Elf64_Ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 3 },
		.segments = { { .p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = 0x1120 },
			      { .p_type = PT_LOAD,
				.p_flags = PF_R | PF_X,
				.p_offset = 0x1120,
				.p_vaddr = 0x2120,
				.p_filesz = 0x100 },
			      { .p_type = PT_NOTE,
				.p_offset = offsetof(struct small, note),
				.p_filesz = sizeof(file.note),
				.p_align = 4 } },
		.note = { .note = { .n_namesz = 4,
				    .n_descsz = sizeof(file.note.id),
				    .n_type = NT_GNU_BUILD_ID },
			  .name = "GNU",
			  .id = { 0xca, 0xfe } },
	};

	return file;
}

static int memory_file(const void *data, size_t len)
{
	int fd = memfd_create("elf", 0);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, 0), len);
	return fd;
}

static void small_file_is_described(void **state)
{
	struct small file = small_elf();
	int fd = memory_file(&file, sizeof(file));
	struct elf_file *elf = elf__open(fd);
	uint8_t id[64];
	uint64_t value;

	assert_non_null(elf);
	assert_int_equal(elf__machine(elf), EM_AARCH64);
	assert_false(elf__has_interpreter(elf));
	assert_false(elf__has_symbols(elf));
	assert_false(elf__has_debug_info(elf));
	assert_int_equal(elf__build_id(elf, id, sizeof(id)), 20);
	assert_memory_equal(id, file.note.id, 20);
	assert_int_equal(elf__build_id(elf, id, 5), 5);
	/* The mapping of the code starts at the page its segment starts in. */
	assert_int_equal(elf__offset_to_vaddr(elf, 0x1000, &value), 0);
	assert_int_equal(value, 0x2000);
	assert_int_equal(elf__offset_to_vaddr(elf, 0x1130, &value), 0);
	assert_int_equal(value, 0x2130);
	assert_int_equal(elf__offset_to_vaddr(elf, 0x40, &value), 0);
	assert_int_equal(value, 0x40);
	assert_int_equal(elf__vaddr_to_offset(elf, 0x2120, &value), 0);
	assert_int_equal(value, 0x1120);
	assert_int_equal(elf__vaddr_to_offset(elf, 0x2220, &value), -ENOENT);
	/* The segment says more than the file has. */
	assert_int_equal(elf__read(elf, 0x2120, id, 8), 0);
	assert_int_equal(elf__read(elf, sizeof(file) - 3, id, 8), 3);
	elf__close(elf);
	close(fd);
}

static void assert_no_elf(int fd)
{
	assert_true(fd >= 0);
	errno = 0;
	assert_null(elf__open(fd));
	assert_int_equal(errno, ENOEXEC);
	close(fd);
}

static void what_is_no_elf_file_is_refused(void **state)
{
	struct small file = small_elf();
	int ends[2];

	assert_no_elf(memory_file("", 0));
	assert_no_elf(memory_file("#!/bin/sh\n", 10));
	assert_no_elf(memory_file(&file, 4));
	assert_no_elf(memory_file(&file, sizeof(file.header) - 1));
	assert_no_elf(memory_file("!<arch>\n", 8));
	assert_no_elf(open("/tmp", O_RDONLY));
	assert_no_elf(open("/dev/zero", O_RDONLY));
	assert_int_equal(pipe(ends), 0);
	assert_no_elf(ends[0]);
	close(ends[1]);
	assert_null(elf__open(-1));
	assert_int_equal(errno, EBADF);
}

static bool touch(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	*(size_t *)data += strlen(name);
	return true;
}

static void ask_everything(int fd)
{
	struct elf_file *elf = elf__open(fd);
	uint8_t bytes[64];
	uint64_t value;
	size_t sum = 0;

	if (!elf)
		return;
	elf__has_debug_info(elf);
	elf__has_symbols(elf);
	assert_in_range(elf__build_id(elf, bytes, sizeof(bytes)), 0, sizeof(bytes));
	elf__for_each_function(elf, touch, &sum);
	elf__is_program(elf);
	elf__is_code(elf, 0x1234);
	elf__offset_to_vaddr(elf, 0x1234, &value);
	elf__vaddr_to_offset(elf, 0x1234, &value);
	elf__read(elf, vaddr_of(well_known_function), bytes, sizeof(bytes));
	elf__read(elf, 0, bytes, sizeof(bytes));
	elf__close(elf);
}

/* A place where damage hurts: in the headers at both ends more often than in the middle. */
static size_t random_place(size_t len)
{
	size_t place = ((size_t)rand() << 16 ^ (size_t)rand()) % len;

	switch (rand() % 3) {
	case 0:
		return place % min(len, (size_t)1024);
	case 1:
		return len - 1 - place % min(len, (size_t)4096);
	}
	return place;
}

static void hostile_files_do_no_harm(void **state)
{
	uint64_t begin = clock__monotonic_ns();
	size_t len;
	char *good = file__read_all("/proc/self/exe", 1 << 26, &len);

	assert_non_null(good);
	srand(1);
	for (int i = 0; i < 300; i++) {
		size_t kept = i % 3 ? len : random_place(len);
		int fd = memory_file(good, kept);

		for (int j = 0; i % 3 && j < 1 + i % 40; j++) {
			uint8_t byte = (uint8_t)(rand() % 4 ? rand() : 0xff);

			assert_int_equal(pwrite(fd, &byte, 1, (off_t)random_place(len)), 1);
		}
		ask_everything(fd);
		close(fd);
	}
	free(good);
	assert_true(clock__monotonic_ns() - begin < 60 * NSEC_PER_SEC);
}

static void file_that_shrinks_while_open_gives_less(void **state)
{
	size_t len;
	char *good = file__read_all("/proc/self/exe", 1 << 26, &len);
	int fd = memory_file(good, len);
	struct elf_file *elf = elf__open(fd);
	size_t sum = 0;
	char byte;

	assert_non_null(elf);
	assert_int_equal(ftruncate(fd, 4096), 0);
	elf__for_each_function(elf, touch, &sum);
	assert_int_equal(sum, 0);
	assert_false(elf__has_debug_info(elf));
	assert_int_equal(elf__read(elf, vaddr_of(well_known_function), &byte, 1), 0);
	elf__close(elf);
	close(fd);
	free(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_file_is_described),
		cmocka_unit_test(functions_are_visited),
		cmocka_unit_test(symbols_tell_their_kind),
		cmocka_unit_test(programs_and_libraries),
		cmocka_unit_test(offsets_and_addresses_convert),
		cmocka_unit_test(mappings_start_where_segments_say),
		cmocka_unit_test(contents_are_read),
		cmocka_unit_test(small_file_is_described),
		cmocka_unit_test(what_is_no_elf_file_is_refused),
		cmocka_unit_test(hostile_files_do_no_harm),
		cmocka_unit_test(file_that_shrinks_while_open_gives_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
