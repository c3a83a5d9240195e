// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strtab.h"
#include "base/util.h"
#include "symbol/elf.h"
#include "symbol/lookup.h"
#include "symbol/sym.h"
#include "symbol/symtab.h"

/* ---- a victim: ourselves, and small programs that print where their calls return to ---- */

/* libdw that crashes at will: it is called in the child only, which inherits this. */
static bool crash_libdw;

Dwfl_Module *dwfl_report_elf(Dwfl *dwfl, const char *name, const char *path, int fd, GElf_Addr base,
			     bool add_p_vaddr)
{
	__typeof__(dwfl_report_elf) *real;

	if (crash_libdw)
		abort();
	*(void **)&real = dlsym(RTLD_NEXT, "dwfl_report_elf");
	return real(dwfl, name, path, fd, base, add_p_vaddr);
}

static volatile int sink;

static __attribute__((noipa)) void *return_address(void)
{
	return __builtin_return_address(0);
}

static int line_of_call, line_of_inner, line_of_middle, line_of_outer;

static __attribute__((noipa)) void *well_known_function(void)
{
	void *address;

	line_of_call = __LINE__ + 1;
	address = return_address();
	sink++;
	return address;
}

static inline __attribute__((always_inline)) void *innermost(void)
{
	void *address;

	line_of_inner = __LINE__ + 1;
	address = return_address();
	sink++;
	return address;
}

static inline __attribute__((always_inline)) void *middle(void)
{
	line_of_middle = __LINE__ + 1;
	return innermost();
}

static __attribute__((noipa)) void *outermost(void)
{
	void *address;

	line_of_outer = __LINE__ + 1;
	address = middle();
	sink++;
	return address;
}

static const char program[] =
	"#include <stdio.h>\n"
	"extern char __executable_start[];\n"
	"static volatile int sink;\n"
	"static __attribute__((noipa, noinline)) void *here(void) { return "
	"__builtin_return_address(0); }\n"
	"static inline __attribute__((always_inline)) void *inner(void)\n"
	"{\n"
	"	void *address = here();\n" /* line 7 */
	"	sink++;\n"
	"	return address;\n"
	"}\n"
	"__attribute__((noipa, noinline)) void *victim(void)\n"
	"{\n"
	"	void *address = inner();\n" /* line 13 */
	"	sink++;\n"
	"	return address;\n"
	"}\n"
	"int main(void)\n"
	"{\n"
	"#ifdef __PIE__\n"
	"	printf(\"%ld\\n\", (long)((char *)victim() - __executable_start));\n"
	"#else\n"
	"	printf(\"%ld\\n\", (long)victim());\n"
	"#endif\n"
	"	return 0;\n"
	"}\n";

static char directory[] = "/tmp/heaptap-sym-XXXXXX";

static void put_file(const char *path, const void *data, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* Runs a command of a shell in the test's directory. */
static int shell(const char *command)
{
	char *whole = xasprintf("cd %s && (%s) >/dev/null 2>&1", directory, command);
	int status = system(whole);

	free(whole);
	return status;
}

/* Builds the program as `name`; returns the return address inside victim(), 0: no compiler. */
static uint64_t build_by(const char *compiler, const char *name, const char *flags)
{
	char *command = xasprintf("%s -g -O2 -Wl,--build-id %s -o %s p.c && ./%s >%s.out", compiler,
				  flags, name, name, name);
	char *out = xasprintf("%s/%s.out", directory, name), *text;
	uint64_t vaddr = 0;

	if (!shell(command)) {
		text = file__read_all(out, 100, NULL);
		vaddr = strtoull(text, NULL, 10);
		free(text);
	}
	free(out);
	free(command);
	return vaddr;
}

static uint64_t build(const char *name, const char *flags)
{
	return build_by(getenv("CC") ? getenv("CC") : "cc", name, flags);
}

static char *in_directory(const char *name)
{
	return xasprintf("%s/%s", directory, name);
}

static int set_up(void **state)
{
	char *path;

	if (!mkdtemp(directory))
		return -1;
	path = in_directory("p.c");
	put_file(path, program, sizeof(program) - 1);
	free(path);
	return 0;
}

static int tear_down(void **state)
{
	char *command = xasprintf("rm -rf %s", directory);
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

/* Resolves with what heaptap says about it kept in answer->log. */
static void resolve(struct answer *answer, const uint32_t *locations, uint32_t nr)
{
	char path[] = "/tmp/heaptap-log-XXXXXX";
	int file = mkstemp(path), saved = dup(STDERR_FILENO);

	fflush(stderr);
	dup2(file, STDERR_FILENO);
	sym__resolve(answer->sym, answer->map, locations, nr, NULL, NULL);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	free(answer->log);
	answer->log = file__read_all(path, 65536, NULL);
	close(saved);
	close(file);
	unlink(path);
}

static struct answer ask_module(const char *path, const uint8_t *build_id, uint32_t build_id_len,
				int fd, uint64_t vaddr, const struct sym_options *options)
{
	static const struct sym_options none;
	struct answer answer = { .map = modmap__new(), .sym = sym__new(options ? options : &none) };
	uint32_t location;

	modmap__add_module(answer.map, path, build_id, build_id_len, 0, fd);
	location = modmap__intern(answer.map, 0, vaddr);
	resolve(&answer, &location, 1);
	answer.nr = sym__frames(answer.sym, modmap__location(answer.map, location), &answer.frames);
	return answer;
}

static struct answer ask(const char *path, uint64_t vaddr, const struct sym_options *options)
{
	return ask_module(path, NULL, 0, -1, vaddr, options);
}

static void done(struct answer *answer)
{
	free(answer->log);
	sym__free(answer->sym);
	modmap__free(answer->map);
}

static void assert_frame(const struct sym_frame *frame, const char *function, const char *file,
			 int line)
{
	assert_non_null(frame->function);
	assert_string_equal(frame->function, function);
	if (file) {
		assert_non_null(frame->file);
		assert_int_equal(frame->file[0], '/');
		assert_string_equal(path__base(frame->file), file);
	} else {
		assert_null(frame->file);
	}
	assert_int_equal(frame->line, line);
}

static void assert_victim(struct answer *answer)
{
	assert_string_equal(answer->log, "");
	assert_int_equal(answer->nr, 2);
	assert_frame(&answer->frames[0], "inner", "p.c", 7);
	assert_frame(&answer->frames[1], "victim", "p.c", 13);
	done(answer);
}

static void assert_nothing(struct answer *answer, const char *said)
{
	assert_int_equal(answer->nr, 0);
	if (*said)
		assert_non_null(strstr(answer->log, said));
	else
		assert_string_equal(answer->log, "");
	done(answer);
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

/* ---- tests ---- */

static void own_code_has_names_and_lines(void **state)
{
	struct answer answer = ask("/proc/self/exe", vaddr_of(well_known_function()), NULL);

	assert_int_equal(answer.nr, 1);
	assert_frame(&answer.frames[0], "well_known_function", "test_sym.c", line_of_call);
	done(&answer);
}

static void inlined_calls_are_unfolded(void **state)
{
	struct answer answer = ask("/proc/self/exe", vaddr_of(outermost()), NULL);

	assert_int_equal(answer.nr, 3);
	assert_frame(&answer.frames[0], "innermost", "test_sym.c", line_of_inner);
	assert_frame(&answer.frames[1], "middle", "test_sym.c", line_of_middle);
	assert_frame(&answer.frames[2], "outermost", "test_sym.c", line_of_outer);
	done(&answer);
}

static void every_kind_of_program_works(void **state)
{
	static const char *const flags[] = {
		"-fPIE -pie",
		"-fno-PIE -no-pie",
		"-fno-PIE -no-pie -Wl,-Ttext-segment=0x2000000",
		"-gdwarf-4",
		"-gdwarf-3",
		"-gz",
		"-gsplit-dwarf",
		"-flto",
		"-ffunction-sections -Wl,--gc-sections",
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		char *path = in_directory("kind");
		uint64_t vaddr = build("kind", flags[i]);
		struct answer answer;

		if (!vaddr)
			skip();
		answer = ask(path, vaddr, NULL);
		assert_victim(&answer);
		free(path);
	}
}

static void cplusplus_names_are_demangled(void **state)
{
	static const char *const compilers[] = { "c++ -fPIE -pie -x c++",
						 "clang -fPIE -pie -x c++" };
	char *path = in_directory("plusplus");

	for (size_t i = 0; i < ARRAY_SIZE(compilers); i++) {
		uint64_t vaddr = build_by(compilers[i], "plusplus", "");
		struct answer answer;

		if (!vaddr)
			skip();
		answer = ask(path, vaddr, NULL);
		assert_int_equal(answer.nr, 2);
		/* gcc gives a static function that is inlined everywhere no linkage name. */
		assert_memory_equal(answer.frames[0].function, "inner", 5);
		assert_int_equal(answer.frames[0].line, 7);
		assert_frame(&answer.frames[1], "victim()", "p.c", 13);
		done(&answer);
	}
	free(path);
}

static void stripped_program_has_dynamic_symbols(void **state)
{
	uint64_t vaddr = build("exporting", "-s -rdynamic");
	char *path = in_directory("exporting");
	struct answer answer;

	if (!vaddr)
		skip();
	answer = ask(path, vaddr, NULL);
	assert_int_equal(answer.nr, 1);
	assert_frame(&answer.frames[0], "victim", NULL, 0);
	assert_string_equal(answer.log, "");
	done(&answer);
	free(path);
}

static void fully_stripped_program_has_no_names(void **state)
{
	uint64_t vaddr = build("mute", "-s");
	char *path = in_directory("mute");
	struct answer answer;

	if (!vaddr)
		skip();
	answer = ask(path, vaddr, NULL);
	assert_nothing(&answer, "");
	free(path);
}

static void debug_file_is_found_by_link(void **state)
{
	static const char *const places[] = { "", ".debug/" };
	char *path = in_directory("linked");
	uint64_t vaddr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char *command =
			xasprintf("mkdir -p .debug && rm -f l.dbg .debug/l.dbg && "
				  "objcopy --only-keep-debug linked %sl.dbg && strip linked "
				  "&& objcopy --add-gnu-debuglink=%sl.dbg linked",
				  places[i], places[i]);
		struct answer answer;

		vaddr = build("linked", "-Wl,--build-id=none");
		if (!vaddr || shell(command))
			skip();
		answer = ask(path, vaddr, NULL);
		assert_victim(&answer);
		free(command);
	}
	assert_int_equal(shell("rm .debug/l.dbg"), 0);
	{
		struct answer answer = ask(path, vaddr, NULL);

		assert_nothing(&answer, "");
	}
	free(path);
}

static void debug_file_is_found_by_build_id(void **state)
{
	const char *command = "id=$(readelf -n byid | sed -n 's/.*Build ID: //p') && "
			      "mkdir -p dbg/.build-id/${id%${id#??}} && objcopy --only-keep-debug "
			      "byid dbg/.build-id/${id%${id#??}}/${id#??}.debug && strip byid";
	uint64_t vaddr = build("byid", "");
	char *path = in_directory("byid"), *directories = in_directory("dbg");
	struct sym_options options = { .debug_dir = directories };
	struct answer answer;

	if (!vaddr || shell(command))
		skip();
	answer = ask(path, vaddr, NULL);
	assert_nothing(&answer, "");
	answer = ask(path, vaddr, &options);
	assert_victim(&answer);
	free(directories);
	free(path);
}

static uint32_t build_id_of(const char *path, uint8_t build_id[MODULE_MAX_BUILD_ID])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_file *elf = elf__open(fd);
	uint32_t len;

	assert_non_null(elf);
	len = (uint32_t)elf__build_id(elf, build_id, MODULE_MAX_BUILD_ID);
	assert_in_range(len, 16, 32);
	elf__close(elf);
	close(fd);
	return len;
}

/* Of the program itself nothing is left. */
static void debug_file_alone_suffices(void **state)
{
	const char *command = "mkdir -p alone && objcopy --only-keep-debug lonely "
			      "alone/lonely.debug && rm lonely";
	uint64_t vaddr = build("lonely", "");
	char *path = in_directory("lonely"), *directories = in_directory("alone");
	struct sym_options options = { .debug_dir = directories };
	uint8_t build_id[MODULE_MAX_BUILD_ID];
	struct answer answer;
	uint32_t len;

	if (!vaddr)
		skip();
	len = build_id_of(path, build_id);
	if (shell(command))
		skip();
	answer = ask_module(path, build_id, len, -1, vaddr, &options);
	assert_victim(&answer);
	build_id[0] ^= 1;
	answer = ask_module(path, build_id, len, -1, vaddr, &options);
	assert_nothing(&answer, "No such file");
	free(directories);
	free(path);
}

/* Neither build-id nor link: by its name and by the places of the code, which it does not have. */
static void debug_file_is_found_by_name(void **state)
{
	const char *command = "mkdir -p .debug && objcopy --only-keep-debug named .debug/named && "
			      "strip named";
	uint64_t vaddr = build("named", "-Wl,--build-id=none");
	char *path = in_directory("named");
	struct answer answer;

	if (!vaddr || shell(command))
		skip();
	answer = ask(path, vaddr, NULL);
	assert_victim(&answer);
	/* One that was built otherwise is passed by. */
	assert_true(build("named", "-Wl,--build-id=none -fno-PIE -no-pie"));
	if (shell("objcopy --only-keep-debug named .debug/named"))
		skip();
	vaddr = build("named", "-Wl,--build-id=none -s");
	answer = ask(path, vaddr, NULL);
	assert_nothing(&answer, "");
	free(path);
}

static void files_are_found_below_sysroot(void **state)
{
	uint64_t vaddr = build("rooted", "");
	char *root = in_directory("root"), *outside = xasprintf("/../%s/rooted", directory);
	struct sym_options options = { .sysroot = root };
	struct answer answer;

	/* The debug file and an absolute link are looked for inside the sysroot. */
	if (!vaddr ||
	    shell("mkdir -p root/usr/bin root/usr/lib/debug/usr/bin && cp rooted root/usr/bin/full "
		  "&& objcopy "
		  "--only-keep-debug rooted root/usr/lib/debug/usr/bin/rooted.dbg && strip rooted "
		  "-o root/usr/bin/rooted && objcopy --add-gnu-debuglink="
		  "root/usr/lib/debug/usr/bin/rooted.dbg root/usr/bin/rooted && "
		  "ln -s /usr/bin root/bin"))
		skip();
	answer = ask("/usr/bin/rooted", vaddr, &options);
	assert_victim(&answer);
	answer = ask("/bin/full", vaddr, &options);
	assert_victim(&answer);
	answer = ask(outside, vaddr, &options);
	assert_nothing(&answer, "could not be read");
	answer = ask("/usr/bin/none", vaddr, &options);
	assert_nothing(&answer, "could not be read");
	free(outside);
	free(root);
}

static void open_file_is_used_when_path_is_gone(void **state)
{
	uint64_t vaddr = build("gone", "");
	char *path = in_directory("gone");
	struct answer answer;
	int fd;

	if (!vaddr)
		skip();
	fd = open(path, O_RDONLY);
	unlink(path);
	answer = ask_module(path, NULL, 0, fd, vaddr, NULL);
	assert_victim(&answer);
	free(path);
}

static void another_file_is_not_used(void **state)
{
	uint64_t vaddr = build("updated", "");
	char *path = in_directory("updated");
	uint8_t build_id[MODULE_MAX_BUILD_ID];
	struct answer answer;
	uint32_t len;

	if (!vaddr)
		skip();
	len = build_id_of(path, build_id);
	answer = ask_module(path, build_id, len, -1, vaddr, NULL);
	assert_victim(&answer);
	build_id[3] ^= 1;
	answer = ask_module(path, build_id, len, -1, vaddr, NULL);
	assert_nothing(&answer, "has changed since the recording (another build-id)");
	free(path);
}

static void what_is_no_file_is_skipped(void **state)
{
	static const struct {
		const char *path, *said;
	} cases[] = {
		{ "[vdso]", "" },
		{ "//anon", "" },
		{ "", "" },
		{ "relative", "" },
		{ "/no/such/file", "/no/such/file could not be read (No such file or directory)" },
		{ "/tmp", "/tmp is not an ELF file" },
		{ "/dev/null", "/dev/null is not an ELF file" },
		{ "/etc/passwd", "/etc/passwd is not an ELF file" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct answer answer = ask(cases[i].path, 0x1000, NULL);

		assert_nothing(&answer, cases[i].said);
	}
}

static void fifo_does_not_block(void **state)
{
	char *path = in_directory("fifo");
	struct answer answer;

	assert_int_equal(mkfifo(path, 0600), 0);
	answer = ask(path, 0x1000, NULL);
	assert_nothing(&answer, "is not an ELF file");
	free(path);
}

static unsigned count_lines(const char *text)
{
	unsigned nr = 0;

	for (; *text; text++)
		nr += *text == '\n';
	return nr;
}

static void crash_of_libdw_costs_lines_only(void **state)
{
	uint64_t vaddr = vaddr_of(outermost());
	struct answer answer;
	uint32_t next;

	crash_libdw = true;
	answer = ask("/proc/self/exe", vaddr, NULL);
	assert_int_equal(answer.nr, 1);
	assert_frame(&answer.frames[0], "outermost", NULL, 0);
	assert_int_equal(count_lines(answer.log), 1);
	assert_non_null(strstr(answer.log, "function names only"));
	/* It is not tried, and not complained about, again. */
	next = modmap__intern(answer.map, 0, vaddr_of(well_known_function()));
	crash_libdw = false;
	resolve(&answer, &next, 1);
	assert_string_equal(answer.log, "");
	answer.nr = sym__frames(answer.sym, modmap__location(answer.map, next), &answer.frames);
	assert_int_equal(answer.nr, 1);
	assert_frame(&answer.frames[0], "well_known_function", NULL, 0);
	done(&answer);
}

static void symbols_are_chosen_well(void **state)
{
	static const struct {
		uint64_t address;
		const char *name;
	} cases[] = {
		{ 0xfff, NULL },     { 0x1000, "malloc" }, { 0x10ff, "malloc" },
		{ 0x1020, "part" },  { 0x1030, "malloc" }, { 0x1100, NULL },
		{ 0x2000, "_Z1fv" }, { 0x3000, "label" },  { 0x3fff, "label" },
		{ 0x4000, "sized" }, { 0x4010, NULL },
	};
	struct symtab tab = { 0 };

	assert_null(symtab__find(&tab, 0));
	symtab__add(&tab, "__libc_malloc", 0x1000, 0x100);
	symtab__add(&tab, "malloc", 0x1000, 0x100);
	symtab__add(&tab, "part", 0x1020, 0x10);
	symtab__add(&tab, "long_alias", 0x2000, 0x100);
	symtab__add(&tab, "_Z1fv", 0x2000, 0x100);
	symtab__add(&tab, "label", 0x3000, 0);
	symtab__add(&tab, "sized", 0x4000, 0x10);
	symtab__add(&tab, "endless", UINT64_MAX - 1, UINT64_MAX);
	symtab__sort(&tab);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct symbol *symbol = symtab__find(&tab, cases[i].address);

		if (!cases[i].name) {
			assert_null(symbol);
			continue;
		}
		assert_non_null(symbol);
		assert_string_equal(symbol->name, cases[i].name);
	}
	symtab__clear(&tab);
}

static void baked_names_come_first(void **state)
{
	const struct sym_frame baked[] = { { "in", "/src/in.c", 3 }, { NULL, NULL, 0 } };
	const struct location location = { .vaddr = 0x123, .module = 0 };
	const struct location other = { .vaddr = 0x124, .module = 0 };
	const struct sym_options options = { 0 };
	struct answer answer = { .map = modmap__new(), .sym = sym__new(&options) };
	uint32_t index;

	modmap__add_module(answer.map, "/no/such/file", NULL, 0, 0, -1);
	sym__bake(answer.sym, 0, 0x123, baked, 2);
	index = modmap__intern(answer.map, 0, 0x123);
	resolve(&answer, &index, 1);
	assert_string_equal(answer.log, "");
	assert_int_equal(sym__frames(answer.sym, &location, &answer.frames), 2);
	assert_frame(&answer.frames[0], "in", "in.c", 3);
	assert_null(answer.frames[1].function);
	assert_int_equal(sym__frames(answer.sym, &other, &answer.frames), 0);
	done(&answer);
}

static void count_progress(uint32_t nr_done, uint32_t modules, void *data)
{
	uint32_t *last = data;

	assert_int_equal(modules, 2);
	assert_int_equal(nr_done, ++*last);
}

static void locations_of_many_modules_are_sorted_out(void **state)
{
	const struct sym_options options = { 0 };
	struct modmap *map = modmap__new();
	struct sym *sym = sym__new(&options);
	uint32_t locations[6], nr = 0, last = 0;
	const struct sym_frame *frames;

	modmap__add_module(map, "/proc/self/exe", NULL, 0, 0, -1);
	modmap__add_module(map, "[vdso]", NULL, 0, 0, -1);
	locations[nr++] = modmap__intern(map, 0, vaddr_of(outermost()));
	locations[nr++] = modmap__intern(map, 1, 0x100);
	locations[nr++] = modmap__intern(map, 0, vaddr_of(well_known_function()));
	locations[nr++] = modmap__intern(map, MODMAP_NO_MODULE, 0x50000000);
	locations[nr++] = locations[0];
	locations[nr++] = 12345;
	sym__resolve(sym, map, locations, nr, count_progress, &last);
	assert_int_equal(last, 2);
	assert_int_equal(sym__frames(sym, modmap__location(map, locations[0]), &frames), 3);
	assert_int_equal(sym__frames(sym, modmap__location(map, locations[1]), &frames), 0);
	assert_int_equal(sym__frames(sym, modmap__location(map, locations[2]), &frames), 1);
	assert_frame(&frames[0], "well_known_function", "test_sym.c", line_of_call);
	assert_int_equal(sym__frames(sym, modmap__location(map, locations[3]), &frames), 0);
	sym__resolve(sym, map, locations, nr, count_progress, &last);
	assert_int_equal(last, 2);
	sym__free(sym);
	modmap__free(map);
	sym__free(NULL);
}

static void libc_is_resolved_fast(void **state)
{
	const uint32_t nr = 20000;
	const struct sym_options options = { 0 };
	struct modmap *map = modmap__new();
	struct sym *sym = sym__new(&options);
	uint32_t *locations = xcalloc(nr, sizeof(*locations)), nr_named = 0;
	const struct sym_frame *frames;
	uint64_t begin, vaddr;
	Dl_info info;

	assert_true(dladdr((void *)gnu_get_libc_version, &info));
	vaddr = (uintptr_t)info.dli_saddr - (uintptr_t)info.dli_fbase;
	/* As the open file: most of these addresses are no return addresses. */
	modmap__add_module(map, info.dli_fname, NULL, 0, 0,
			   open(info.dli_fname, O_RDONLY | O_CLOEXEC));
	for (uint32_t i = 0; i < nr; i++)
		locations[i] = modmap__intern(map, 0, vaddr + 1 + i * 16);
	begin = clock__monotonic_ns();
	sym__resolve(sym, map, locations, nr, NULL, NULL);
	assert_true(clock__monotonic_ns() - begin < 5 * NSEC_PER_SEC);
	if (getenv("VERBOSE"))
		print_message("%u locations in %llu ms\n", nr,
			      (clock__monotonic_ns() - begin) / 1000000ull);
	assert_true(sym__frames(sym, modmap__location(map, locations[0]), &frames) > 0);
	/* With debug information installed it is __gnu_get_libc_version. */
	assert_non_null(strstr(frames[0].function, "gnu_get_libc_version"));
	for (uint32_t i = 0; i < nr; i++)
		nr_named += sym__frames(sym, modmap__location(map, locations[i]), &frames) > 0;
	assert_in_range(nr_named, nr / 20, nr);
	free(locations);
	sym__free(sym);
	modmap__free(map);
}

static void count_frames(uint32_t index, const struct sym_frame *frames, uint32_t nr, void *data)
{
	assert_int_equal(index, 0);
	assert_in_range(nr, 1, 64);
	++*(uint32_t *)data;
}

/* Damaged copies of a program: any answer will do, none must take long or crash us. */
static void hostile_files_do_no_harm(void **state)
{
	uint64_t vaddr = build("hostile", ""), begin = clock__monotonic_ns();
	char *path = in_directory("hostile"), *good;
	const struct sym_options options = { 0 };
	struct strtab texts = { 0 };
	uint32_t nr = 0;
	size_t len;

	if (!vaddr)
		skip();
	good = file__read_all(path, 1 << 24, &len);
	srand(1);
	for (int i = 0; i < 60; i++) {
		struct module module = { .path = path, .fd = memfd_create("elf", 0) };
		struct lookup lookup = { .module = &module,
					 .options = &options,
					 .vaddrs = &vaddr,
					 .nr = 1,
					 .symbols_only = i % 2 };
		struct lookup_result result;
		size_t kept = i % 5 ? len : (size_t)rand() % len;

		assert_int_equal(pwrite(module.fd, good, kept, 0), kept);
		for (int j = 0; i && i % 5 && j < i * 4; j++) {
			uint8_t byte = (uint8_t)rand();
			size_t at = rand() % 20 ? 1024 + (size_t)rand() % (len - 1024)
						: (size_t)rand() % len;

			assert_int_equal(pwrite(module.fd, &byte, 1, (off_t)at), 1);
		}
		lookup__run(&lookup, &texts, count_frames, &nr, &result);
		close(module.fd);
	}
	assert_in_range(nr, 1, 60);
	assert_true(clock__monotonic_ns() - begin < 60 * NSEC_PER_SEC);
	strtab__clear(&texts);
	free(good);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_code_has_names_and_lines),
		cmocka_unit_test(inlined_calls_are_unfolded),
		cmocka_unit_test(every_kind_of_program_works),
		cmocka_unit_test(cplusplus_names_are_demangled),
		cmocka_unit_test(stripped_program_has_dynamic_symbols),
		cmocka_unit_test(fully_stripped_program_has_no_names),
		cmocka_unit_test(debug_file_is_found_by_link),
		cmocka_unit_test(debug_file_is_found_by_build_id),
		cmocka_unit_test(debug_file_alone_suffices),
		cmocka_unit_test(debug_file_is_found_by_name),
		cmocka_unit_test(files_are_found_below_sysroot),
		cmocka_unit_test(open_file_is_used_when_path_is_gone),
		cmocka_unit_test(another_file_is_not_used),
		cmocka_unit_test(what_is_no_file_is_skipped),
		cmocka_unit_test(fifo_does_not_block),
		cmocka_unit_test(crash_of_libdw_costs_lines_only),
		cmocka_unit_test(symbols_are_chosen_well),
		cmocka_unit_test(baked_names_come_first),
		cmocka_unit_test(locations_of_many_modules_are_sorted_out),
		cmocka_unit_test(libc_is_resolved_fast),
		cmocka_unit_test(hostile_files_do_no_harm),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
