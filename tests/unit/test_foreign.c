// SPDX-License-Identifier: BSD-2-Clause
/* Names of programs for other machines, from files found in other places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <capstone/capstone.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "foreign.h"
#include "symbol/callsite.h"
#include "symbol/rootfs.h"
#include "symbol/sym.h"

static char folder[] = "/tmp/heaptap-foreign-XXXXXX";
static bool has_tools;

static void put_file(const char *name, const void *data, size_t len)
{
	char *path = xasprintf("%s/%s", folder, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	free(path);
}

static void shell(const char *command)
{
	char *whole = xasprintf("cd %s && (%s) >shell.log 2>&1", folder, command);

	assert_int_equal(system(whole), 0);
	free(whole);
}

static char *in_folder(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static int set_up(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	put_file("f.c", foreign_source, sizeof(foreign_source) - 1);
	has_tools = foreign__build(&foreigns[0], folder, "probe", "");
	return 0;
}

static int tear_down(void **state)
{
	char *command = xasprintf("rm -rf %s", folder);
	int status = system(command);

	free(command);
	return status;
}

/* ---- asking ---- */

struct answer {
	struct modmap *map;
	struct sym *sym;
	const struct sym_frame *frames;
	uint32_t nr;
	char *log;
};

static struct answer ask(const char *path, const char *build_id, uint64_t vaddr,
			 const struct sym_options *options)
{
	struct answer answer = { .map = modmap__new(), .sym = sym__new(options) };
	char *log = in_folder("log");
	int file = open(log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int saved = dup(STDERR_FILENO);
	uint32_t location;

	fflush(stderr);
	dup2(file, STDERR_FILENO);
	modmap__add_module(answer.map, path, (const uint8_t *)build_id,
			   build_id ? (uint32_t)strlen(build_id) : 0, 0, -1);
	location = modmap__intern(answer.map, 0, vaddr);
	sym__resolve(answer.sym, answer.map, &location, 1, NULL, NULL);
	answer.nr = sym__frames(answer.sym, modmap__location(answer.map, location), &answer.frames);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(file);
	answer.log = file__read_all(log, 65536, NULL);
	free(log);
	return answer;
}

static void done(struct answer *answer)
{
	free(answer->log);
	sym__free(answer->sym);
	modmap__free(answer->map);
}

static void assert_frame(const struct sym_frame *frame, const char *function, uint32_t line)
{
	assert_non_null(frame->function);
	assert_string_equal(frame->function, function);
	assert_int_equal(frame->line, line);
}

static void assert_lines(struct answer *answer)
{
	assert_string_equal(answer->log, "");
	assert_int_equal(answer->nr, 2);
	assert_frame(&answer->frames[0], "inner", FOREIGN_LINE_OF_INNER_CALL);
	assert_frame(&answer->frames[1], "victim", FOREIGN_LINE_OF_OUTER_CALL);
	done(answer);
}

static void assert_symbol(struct answer *answer)
{
	assert_string_equal(answer->log, "");
	assert_int_equal(answer->nr, 1);
	assert_frame(&answer->frames[0], "victim", 0);
	done(answer);
}

static void assert_nothing(struct answer *answer, const char *said)
{
	const char *newline = strchr(answer->log, '\n');

	assert_int_equal(answer->nr, 0);
	assert_non_null(strstr(answer->log, said));
	/* One warning. */
	assert_non_null(newline);
	assert_int_equal(newline[1], '\0');
	done(answer);
}

/* ---- machines ---- */

static void each_machine(const char *flags, void (*check)(struct answer *answer))
{
	static const struct sym_options none;
	char *path = in_folder("foreign");

	if (!has_tools)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(foreigns); i++) {
		struct answer answer;
		uint64_t vaddr;

		assert_true(foreign__build(&foreigns[i], folder, "foreign", flags));
		vaddr = foreign__return_address(&foreigns[i], path, "victim");
		assert_int_not_equal(vaddr, 0);
		if (getenv("VERBOSE"))
			print_message("%s: 0x%llx\n", foreigns[i].target,
				      (unsigned long long)vaddr);
		answer = ask(path, NULL, vaddr, &none);
		check(&answer);
	}
	free(path);
}

static void lines_and_inlines_of_every_machine(void **state)
{
	each_machine("-g -Wl,-E", assert_lines);
}

static void old_dwarf_of_every_machine(void **state)
{
	each_machine("-gdwarf-2 -Wl,-E", assert_lines);
	each_machine("-gdwarf-3 -Wl,-E", assert_lines);
	each_machine("-gdwarf-4 -Wl,-E", assert_lines);
}

static void dynamic_symbols_of_every_machine(void **state)
{
	each_machine("-Wl,-E -Wl,-s -Wl,--build-id=none", assert_symbol);
}

static void symbols_without_lines_of_every_machine(void **state)
{
	each_machine("-Wl,-E -g0", assert_symbol);
}

static void programs_at_fixed_addresses(void **state)
{
	static const struct sym_options none;
	char *path = in_folder("fixed");

	if (!has_tools)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(foreigns); i++) {
		struct answer answer;
		uint64_t vaddr;

		assert_true(foreign__build(&foreigns[i], folder, "fixed", "-g -no-pie -fno-pic"));
		vaddr = foreign__return_address(&foreigns[i], path, "victim");
		assert_int_not_equal(vaddr, 0);
		answer = ask(path, NULL, vaddr, &none);
		assert_lines(&answer);
	}
	free(path);
}

/* ---- places ---- */

#define ID_FLAG "-Wl,--build-id=0x6162636465666768"
#define ID	"abcdefgh"
#define ID_PATH ".build-id/61/62636465666768"

/* A MIPS library: "full" has everything, "bare" is what is on the device. Returns the address. */
static uint64_t build_pair(const char *id_flag)
{
	const struct foreign *mips = &foreigns[0];
	char *full = xasprintf("-g -shared -fPIC %s", id_flag);
	char *bare = xasprintf("-shared -fPIC %s -Wl,-s", id_flag), *path = in_folder("full");
	uint64_t vaddr;

	assert_true(foreign__build(mips, folder, "full", full));
	assert_true(foreign__build(mips, folder, "bare", bare));
	vaddr = foreign__return_address(mips, path, "victim");
	assert_int_not_equal(vaddr, 0);
	free(path);
	free(bare);
	free(full);
	shell("rm -rf root dbg && mkdir -p root/usr/lib root/usr/lib/debug dbg");
	return vaddr;
}

struct layout {
	const char *make;    /* commands */
	const char *id_flag; /* of the linker */
	bool has_id;	     /* the recording has it */
};

static void unstripped_files_are_found(void **state)
{
	static const char none[] = "-Wl,--build-id=none";
	static const struct layout layouts[] = {
		/* Without the file of the device. */
		{ "mkdir -p dbg/.build-id/61 && cp full dbg/" ID_PATH ".debug", ID_FLAG, true },
		{ "mkdir -p dbg/.build-id/61 && cp full dbg/" ID_PATH, ID_FLAG, true },
		{ "mkdir -p root/usr/lib/debug/.build-id/61 && cp full root/usr/lib/debug/" ID_PATH
		  ".debug",
		  ID_FLAG, true },
		{ "cp full dbg/libx.so", ID_FLAG, true },
		{ "cp full dbg/libx.so", none, false },
		/* With it. */
		{ "cp bare root/usr/lib/libx.so && cp full dbg/libx.so", ID_FLAG, true },
		{ "cp bare root/usr/lib/libx.so && cp full dbg/libx.so", ID_FLAG, false },
		{ "cp bare root/usr/lib/libx.so && cp full dbg/libx.so", none, false },
		{ "cp bare root/usr/lib/libx.so && mkdir -p dbg/usr/lib && cp full "
		  "dbg/usr/lib/libx.so",
		  none, false },
		{ "cp bare root/usr/lib/libx.so && mkdir root/usr/lib/.debug && cp full "
		  "root/usr/lib/.debug/libx.so",
		  none, false },
		{ "cp bare root/usr/lib/libx.so && mkdir -p dbg/usr/lib/.debug && cp full "
		  "dbg/usr/lib/.debug/libx.so",
		  ID_FLAG, true },
		{ "cp full root/usr/lib/x1 && ln -s /usr/lib/x1 root/usr/lib/libx.so", none,
		  false },
		/* Another file of that name is passed by. */
		{ "cp bare root/usr/lib/libx.so && mkdir -p dbg/usr/lib && cp probe "
		  "dbg/usr/lib/libx.so && cp full dbg/libx.so",
		  none, false },
		{ "cp probe root/usr/lib/libx.so && cp full dbg/libx.so", ID_FLAG, true },
	};
	char *root = in_folder("root"), *dbg = in_folder("dbg");
	struct sym_options options = { .sysroot = root, .debug_dir = dbg };

	if (!has_tools)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		uint64_t vaddr = build_pair(layouts[i].id_flag);
		struct answer answer;

		shell(layouts[i].make);
		if (getenv("VERBOSE"))
			print_message("%s\n", layouts[i].make);
		answer = ask("/usr/lib/libx.so", layouts[i].has_id ? ID : NULL, vaddr, &options);
		assert_lines(&answer);
	}
	free(dbg);
	free(root);
}

/* As above, with what must not be used: it has symbols at the same addresses. */
static void other_builds_give_no_names(void **state)
{
	static const struct {
		const char *make, *id, *said;
	} cases[] = {
		{ "cp full root/usr/lib/libx.so", "ABCDEFGH", "(another build-id)" },
		{ "cp full root/usr/lib/libx.so", "abcdefghi", "(another build-id)" },
		{ "cp full dbg/libx.so", "ABCDEFGH", "No such file" },
		{ "cp full root/usr/lib/libx.so && truncate -s 20 root/usr/lib/libx.so", ID,
		  "is not an ELF file" },
		{ "ln -s libx.so root/usr/lib/libx.so", ID, "symbolic links" },
		{ "mkfifo root/usr/lib/libx.so", ID, "is not an ELF file" },
		{ "mkdir root/usr/lib/libx.so", ID, "is not an ELF file" },
		{ "ln -s ../../../full root/usr/lib/libx.so", ID, "No such file" },
		{ "mkdir -p dbg/.build-id/61 && mkfifo dbg/" ID_PATH ".debug && mkfifo dbg/libx.so",
		  ID, "No such file" },
	};
	char *root = in_folder("root"), *dbg = in_folder("dbg");
	struct sym_options options = { .sysroot = root, .debug_dir = dbg };

	if (!has_tools)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t vaddr = build_pair(ID_FLAG), begin = clock__monotonic_ns();
		struct answer answer;

		shell(cases[i].make);
		if (getenv("VERBOSE"))
			print_message("%s\n", cases[i].make);
		answer = ask("/usr/lib/libx.so", cases[i].id, vaddr, &options);
		assert_nothing(&answer, cases[i].said);
		assert_true(clock__monotonic_ns() - begin < 10 * NSEC_PER_SEC);
	}
	free(dbg);
	free(root);
}

/* Without build-ids: the code in front of return addresses tells. */
static void addresses_that_do_not_fit_give_no_names(void **state)
{
	static const int64_t shifts[] = { 4, -4, 12, -32, 0x1000000 };
	char *root = in_folder("root");
	struct sym_options options = { .sysroot = root };
	struct answer answer;
	uint64_t vaddr;

	if (!has_tools)
		skip();
	vaddr = build_pair("-Wl,--build-id=none");
	shell("cp full root/usr/lib/libx.so");
	answer = ask("/usr/lib/libx.so", NULL, vaddr, &options);
	assert_lines(&answer);
	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		answer = ask("/usr/lib/libx.so", NULL, vaddr + (uint64_t)shifts[i], &options);
		assert_nothing(&answer, "has no calls where calls were");
	}
	free(root);
}

/* A debug file that crashes or lies costs no more than the names. */
static void damaged_files_do_no_harm(void **state)
{
	char *root = in_folder("root"), *path = in_folder("full"), *good;
	struct sym_options options = { .sysroot = root, .debug_dir = root };
	uint64_t vaddr, begin = clock__monotonic_ns();
	size_t len;

	if (!has_tools)
		skip();
	vaddr = build_pair("-Wl,--build-id=none");
	good = file__read_all(path, 1 << 24, &len);
	srand(1);
	for (int i = 0; i < 60; i++) {
		char *bad = xmalloc(len);
		struct answer answer;

		memcpy(bad, good, len);
		/* Section headers are at the end: sizes of 4 GiB and offsets of any. */
		for (int k = 0; k < 1 + i; k++)
			bad[i % 2 ? len - 1 - (size_t)rand() % 1400 : (size_t)rand() % len] =
				(char)(i % 3 ? 0xff : rand());
		put_file("root/usr/lib/libx.so", bad, i % 7 == 6 ? (size_t)rand() % len : len);
		answer = ask("/usr/lib/libx.so", NULL, vaddr, &options);
		if (answer.nr && answer.frames[answer.nr - 1].function)
			assert_in_range(strlen(answer.frames[answer.nr - 1].function), 1, 16384);
		done(&answer);
		free(bad);
	}
	assert_true(clock__monotonic_ns() - begin < 60 * NSEC_PER_SEC);
	free(good);
	free(path);
	free(root);
}

struct text_section {
	uint64_t vaddr, size;
};

static bool find_text(const struct elf_section *section, void *data)
{
	struct text_section *text = data;

	if (strcmp(section->name, ".text"))
		return true;
	*text = (struct text_section){ section->vaddr, section->size };
	return false;
}

/* All calls of this program, and what is behind instructions that are none. */
static void calls_are_told_from_the_rest(void **state)
{
	FILE *file = fopen("/proc/self/exe", "re");
	struct elf_file *elf = elf__open(fileno(file));
	struct text_section text = { 0 };
	size_t nr, nr_calls = 0, nr_others = 0;
	struct callsite_fit fit;
	uint64_t *calls, *others;
	cs_insn *insns;
	uint8_t *code;
	csh handle;

	elf__for_each_section(elf, find_text, &text);
	if (elf__machine(elf) != EM_X86_64 || text.size < 1000)
		skip();
	text.size = min(text.size, (uint64_t)1 << 18);
	code = xmalloc(text.size);
	assert_int_equal(elf__read(elf, text.vaddr, code, text.size), text.size);
	assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &handle), CS_ERR_OK);
	nr = cs_disasm(handle, code, text.size, text.vaddr, 0, &insns);
	calls = xcalloc(nr, sizeof(*calls));
	others = xcalloc(nr, sizeof(*others));
	for (size_t i = 4; i < nr; i++) {
		if (strstr(insns[i].mnemonic, "call"))
			calls[nr_calls++] = insns[i].address + insns[i].size;
		else
			others[nr_others++] = insns[i].address + insns[i].size;
	}
	assert_in_range(nr_calls, 100, nr);
	fit = callsite__fit(elf, calls, nr_calls);
	assert_int_equal(fit.nr_calls, nr_calls);
	assert_true(callsite__is_plausible(&fit));
	fit = callsite__fit(elf, others, nr_others);
	assert_in_range(fit.nr_calls, 0, nr_others / 20);
	assert_false(callsite__is_plausible(&fit));
	free(others);
	free(calls);
	cs_free(insns, nr);
	cs_close(&handle);
	free(code);
	elf__close(elf);
	fclose(file);
}

/* ---- the sysroot ---- */

static void assert_opens(const char *root, const char *path, const char *content)
{
	char text[32] = "";
	int fd = rootfs__open(root, path);

	if (!content) {
		assert_true(fd < 0);
		return;
	}
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, content);
	close(fd);
}

static void sysroot_is_not_left(void **state)
{
	char *root = in_folder("r");

	shell("mkdir -p r/a/b r/etc && echo -n in >r/etc/hostname && echo -n out >secret && "
	      "ln -s /etc r/a/abs && ln -s ../../etc r/a/b/rel && ln -s ../../../secret r/a/up && "
	      "ln -s \"$PWD/secret\" r/a/outside && ln -s self r/a/self && ln -s one r/a/two && "
	      "ln -s two r/a/one && ln -s /a/abs/hostname r/a/chain && ln -s / r/a/root && "
	      "ln -s '' r/a/empty 2>/dev/null || true; mkfifo r/a/fifo");
	assert_opens(root, "/etc/hostname", "in");
	assert_opens(root, "etc//./hostname", "in");
	assert_opens(root, "/a/abs/hostname", "in");
	assert_opens(root, "/a/b/rel/hostname", "in");
	assert_opens(root, "/a/chain", "in");
	assert_opens(root, "/a/root/a/root/etc/hostname", "in");
	assert_opens(root, "/../../etc/hostname", "in");
	assert_opens(root, "/a/../../../etc/hostname", "in");
	assert_opens(root, "/a/up", NULL);
	assert_opens(root, "/a/outside", NULL);
	assert_opens(root, "/../secret", NULL);
	assert_int_equal(rootfs__open(root, "/a/self"), -ELOOP);
	assert_int_equal(rootfs__open(root, "/a/one/x"), -ELOOP);
	assert_int_equal(rootfs__open(root, "/a/fifo"), -ENOEXEC);
	assert_int_equal(rootfs__open(root, "/a"), -ENOEXEC);
	assert_int_equal(rootfs__open(root, ""), -ENOEXEC);
	assert_int_equal(rootfs__open(root, "/etc/hostname/x"), -ENOTDIR);
	assert_int_equal(rootfs__open(root, "/none"), -ENOENT);
	assert_int_equal(rootfs__open("/no/such/folder", "/x"), -ENOENT);
	assert_int_equal(rootfs__open(NULL, "/dev/zero"), -ENOEXEC);
	free(root);
}

static void long_paths_end(void **state)
{
	char *root = in_folder("r"), *path = xmalloc(16385);

	for (size_t i = 0; i < 16384; i++)
		path[i] = "/a"[i % 2];
	path[16384] = '\0';
	assert_true(rootfs__open(root, path) < 0);
	shell("mkdir -p r && cd r && rm -rf d && ln -s d/d d");
	assert_int_equal(rootfs__open(root, "/d"), -ELOOP);
	free(path);
	free(root);
}

/* ---- what has no name ---- */

static void count_trouble(const struct location *location, enum sym_trouble trouble, void *data)
{
	enum sym_trouble *troubles = data;

	assert_in_range(location->module, 0, 4);
	assert_int_equal(troubles[location->module], SYM_NO_TROUBLE);
	troubles[location->module] = trouble;
}

static void what_has_no_name_is_told(void **state)
{
	char *root = in_folder("root");
	struct sym_options options = { .sysroot = root };
	struct modmap *map = modmap__new();
	struct sym *sym = sym__new(&options);
	enum sym_trouble troubles[5] = { SYM_NO_TROUBLE };
	struct sym_frame baked = { .function = "f" };
	uint32_t locations[5];
	uint64_t vaddr;

	if (!has_tools)
		skip();
	vaddr = build_pair(ID_FLAG);
	shell("cp full root/usr/lib/full && cp full root/usr/lib/other && cp bare "
	      "root/usr/lib/bare");
	modmap__add_module(map, "/usr/lib/full", (const uint8_t *)ID, 8, 0, -1);
	modmap__add_module(map, "/usr/lib/none", (const uint8_t *)ID, 8, 0, -1);
	modmap__add_module(map, "/usr/lib/other", (const uint8_t *)"ABCDEFGH", 8, 0, -1);
	modmap__add_module(map, "[vdso]", NULL, 0, 0, -1);
	modmap__add_module(map, "/usr/lib/gone", NULL, 0, 0, -1);
	for (uint32_t i = 0; i < ARRAY_SIZE(locations); i++)
		locations[i] = modmap__intern(map, i, vaddr);
	sym__bake(sym, 4, vaddr, &baked, 1);
	sym__resolve(sym, map, locations, ARRAY_SIZE(locations), NULL, NULL);
	sym__for_each_unresolved(sym, map, count_trouble, troubles);
	assert_int_equal(troubles[0], SYM_NO_TROUBLE);
	assert_int_equal(troubles[1], SYM_MISSING);
	assert_int_equal(troubles[2], SYM_DIFFERENT);
	assert_int_equal(troubles[3], SYM_NO_TROUBLE);
	assert_int_equal(troubles[4], SYM_NO_TROUBLE);
	assert_true(sym__is_baked(sym, modmap__location(map, locations[4])));
	assert_false(sym__is_baked(sym, modmap__location(map, locations[0])));
	sym__free(sym);
	modmap__free(map);
	free(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_and_inlines_of_every_machine),
		cmocka_unit_test(old_dwarf_of_every_machine),
		cmocka_unit_test(dynamic_symbols_of_every_machine),
		cmocka_unit_test(symbols_without_lines_of_every_machine),
		cmocka_unit_test(programs_at_fixed_addresses),
		cmocka_unit_test(unstripped_files_are_found),
		cmocka_unit_test(other_builds_give_no_names),
		cmocka_unit_test(addresses_that_do_not_fit_give_no_names),
		cmocka_unit_test(damaged_files_do_no_harm),
		cmocka_unit_test(calls_are_told_from_the_rest),
		cmocka_unit_test(sysroot_is_not_left),
		cmocka_unit_test(long_paths_end),
		cmocka_unit_test(what_has_no_name_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
