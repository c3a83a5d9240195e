// SPDX-License-Identifier: BSD-2-Clause
/* heaptap symbolize on a recording of a MIPS program, and the list of what has no name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <capstone/capstone.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "foreign.h"
#include "trace/reader.h"
#include "trace/writer.h"
#include "wire.h"

#define PID	   42
#define BASE	   0x55550000u
#define BAKED	   0x5550u
#define UNKNOWN	   0x5554u
#define MAX_COPIES 64

static char folder[] = "/tmp/heaptap-symbolize-XXXXXX";
static uint64_t vaddr; /* the return address in victim(); 0: no compiler */

static int set_up(void **state)
{
	FILE *file;
	int null;

	if (!mkdtemp(folder) || chdir(folder))
		return -1;
	file = fopen("f.c", "w");
	if (!file || fputs(foreign_source, file) < 0 || fclose(file) || mkdir("root", 0700))
		return -1;
	if (foreign__build(&foreigns[0], folder, "root/prog", "-g -Wl,--build-id=0x61626364"))
		vaddr = foreign__return_address(&foreigns[0], "root/prog", "victim");
	/* What is said is not of interest here. */
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null, STDERR_FILENO);
	close(null);
	return 0;
}

static int tear_down(void **state)
{
	char *command = xasprintf("rm -rf %s", folder);
	int status = chdir("/") || system(command);

	free(command);
	return status;
}

/* ---- a recording ---- */

static void put(struct trace_writer *writer, uint16_t type, uint32_t pid, const void *fixed,
		size_t len, const char *text)
{
	uint64_t buffer[64] = { 0 };
	struct wire_head *head = (struct wire_head *)buffer;
	size_t size = len + WIRE_PAD8(strlen(text));

	memcpy(buffer, fixed, len);
	memcpy((char *)buffer + len, text, strlen(text));
	*head = (struct wire_head){ .type = type, .size = (uint16_t)size, .pid = pid };
	assert_int_equal(trace_writer__append(writer, head), 0);
}

static void put_modules(struct trace_writer *writer)
{
	static const struct {
		const char *id_and_path;
		uint32_t id_len;
	} modules[] = { { "abcd/prog", 4 }, { "xyzw/lib/gone.so", 4 }, { "ABCD/prog", 4 } };

	for (uint32_t i = 0; i < ARRAY_SIZE(modules); i++) {
		struct wire_module module = {
			.id = i,
			.build_id_len = modules[i].id_len,
			.path_len = (uint32_t)strlen(modules[i].id_and_path) - modules[i].id_len,
		};
		struct wire_mapping mapping = { .time_ns = 2,
						.start = BASE + i * 0x1000000,
						.end = BASE + (i + 1) * 0x1000000,
						.module = i };

		put(writer, WIRE_MODULE, PID, &module, sizeof(module), modules[i].id_and_path);
		put(writer, WIRE_MAPPING, PID, &mapping, sizeof(mapping), "");
	}
}

static void put_symbol(struct trace_writer *writer, uint64_t address, uint32_t function)
{
	struct {
		struct wire_symbol symbol;
		struct wire_symbol_frame frame;
	} symbol = { .symbol = { .vaddr = address, .module = 0, .nr_frames = 1 },
		     .frame = { .function = function } };

	put(writer, WIRE_SYMBOL, 0, &symbol, sizeof(symbol), "");
}

static void put_stack(struct trace_writer *writer)
{
	const uint64_t addresses[] = { BASE + vaddr, BASE + BAKED, BASE + UNKNOWN,
				       BASE + 0x1000000 + 0x1234, BASE + 0x2000000 + vaddr };
	uint8_t buffer[sizeof(struct wire_stack) + sizeof(addresses)];
	struct wire_stack stack = { .time_ns = 3, .id = 1, .nr_frames = ARRAY_SIZE(addresses) };

	memcpy(buffer, &stack, sizeof(stack));
	memcpy(buffer + sizeof(stack), addresses, sizeof(addresses));
	put(writer, WIRE_STACK, PID, buffer, sizeof(buffer), "");
}

static void record(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct trace_writer *writer = trace_writer__new(fd, path);
	struct wire_target target = { .attached_ns = 1, .exe_len = 5 };
	struct wire_string string = { .id = 1, .len = 7 };
	struct wire_alloc alloc = { .time_ns = 4, .addr = 0x1000, .bytes = 24, .stack = 1 };
	struct wire_end end = { .time_ns = 9, .reason = 1 };
	uint64_t stranger[2] = { 0, 7 };

	assert_non_null(writer);
	put(writer, WIRE_TARGET, PID, &target, sizeof(target), "/prog");
	put_modules(writer);
	put_stack(writer);
	put(writer, WIRE_ALLOC, PID, &alloc, sizeof(alloc), "");
	put(writer, 999, PID, stranger, sizeof(stranger), "");
	put(writer, WIRE_END, PID, &end, sizeof(end), "");
	put(writer, WIRE_END, 0, &end, sizeof(end), "");
	put(writer, WIRE_STRING, 0, &string, sizeof(string), "by_hand");
	put_symbol(writer, BAKED, 1);
	put_symbol(writer, UNKNOWN, 0);
	assert_int_equal(trace_writer__close(writer), 0);
	close(fd);
}

/* ---- what became of it ---- */

struct copies {
	struct wire_head *records[MAX_COPIES];
	size_t nr;
	uint64_t monotonic_ns, realtime_ns;
	int end; /* what trace_reader__next said last */
};

static struct copies read_all(const char *path)
{
	struct copies copies = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct wire_head *head;
	const char *reason;
	struct trace_reader *reader = trace_reader__new(fd, &reason);

	assert_non_null(reader);
	while ((copies.end = trace_reader__next(reader, &head)) > 0) {
		assert_in_range(copies.nr, 0, MAX_COPIES - 1);
		copies.records[copies.nr] = xmalloc(head->size);
		memcpy(copies.records[copies.nr++], head, head->size);
	}
	trace_reader__anchor(reader, &copies.monotonic_ns, &copies.realtime_ns);
	trace_reader__free(reader);
	close(fd);
	return copies;
}

static void clear(struct copies *copies)
{
	for (size_t i = 0; i < copies->nr; i++)
		free(copies->records[i]);
}

/* The first records are those of the original. */
static void assert_begins_with(const struct copies *copies, const struct copies *original)
{
	assert_in_range(copies->nr, original->nr, MAX_COPIES);
	for (size_t i = 0; i < original->nr; i++) {
		assert_int_equal(copies->records[i]->size, original->records[i]->size);
		assert_memory_equal(copies->records[i], original->records[i],
				    original->records[i]->size);
	}
	assert_true(copies->monotonic_ns == original->monotonic_ns);
	assert_true(copies->realtime_ns == original->realtime_ns);
}

static const char *text_of(const struct copies *copies, uint32_t id)
{
	static char text[256];

	for (size_t i = 0; i < copies->nr; i++) {
		const struct wire_string *string = (const void *)copies->records[i];

		if (string->head.type != WIRE_STRING || string->id != id)
			continue;
		snprintf(text, sizeof(text), "%.*s", (int)string->len, (const char *)(string + 1));
		return text;
	}
	return "";
}

static const struct wire_symbol *only_symbol_after(const struct copies *copies, size_t first,
						   uint32_t nr_strings)
{
	const struct wire_symbol *found = NULL;

	for (size_t i = first; i < copies->nr; i++) {
		const struct wire_string *string = (const void *)copies->records[i];

		if (string->head.type == WIRE_STRING) {
			assert_int_equal(string->id, ++nr_strings);
			continue;
		}
		assert_int_equal(string->head.type, WIRE_SYMBOL);
		assert_null(found);
		found = (const void *)string;
	}
	assert_non_null(found);
	return found;
}

static int symbolize(const char *file, const char *output)
{
	struct options options = { .file = file, .output = output, .sysroot = "root" };

	return cmd_symbolize.run(&options);
}

static void assert_same_files(const char *one, const char *other)
{
	size_t len, other_len;
	char *content = file__read_all(one, 1 << 20, &len);
	char *other_content = file__read_all(other, 1 << 20, &other_len);

	assert_int_equal(len, other_len);
	assert_memory_equal(content, other_content, len);
	free(content);
	free(other_content);
}

/* ---- tests ---- */

static void names_are_added(void **state)
{
	struct copies original, copies;
	const struct wire_symbol *symbol;
	const struct wire_symbol_frame *frames;
	struct stat status;

	if (!vaddr)
		skip();
	record("in");
	assert_int_equal(symbolize("in", "out"), EXIT_DONE);
	original = read_all("in");
	copies = read_all("out");
	assert_int_equal(copies.end, 0);
	assert_begins_with(&copies, &original);
	symbol = only_symbol_after(&copies, original.nr, 1);
	frames = (const void *)(symbol + 1);
	assert_true(symbol->vaddr == vaddr);
	assert_int_equal(symbol->module, 0);
	assert_int_equal(symbol->nr_frames, 2);
	assert_string_equal(text_of(&copies, frames[0].function), "inner");
	assert_int_equal(frames[0].line, FOREIGN_LINE_OF_INNER_CALL);
	assert_string_equal(text_of(&copies, frames[1].function), "victim");
	assert_int_equal(frames[1].line, FOREIGN_LINE_OF_OUTER_CALL);
	assert_string_equal(path__base(text_of(&copies, frames[1].file)), "f.c");
	assert_int_equal(stat("out", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	clear(&copies);
	clear(&original);
}

static void twice_is_once(void **state)
{
	if (!vaddr)
		skip();
	record("in");
	assert_int_equal(symbolize("in", "once"), EXIT_DONE);
	assert_int_equal(symbolize("once", "twice"), EXIT_DONE);
	assert_same_files("once", "twice");
	assert_int_equal(symbolize("in", "in"), EXIT_DONE);
	assert_same_files("once", "in");
}

static void what_is_left_of_a_recording_is_copied(void **state)
{
	struct copies original, copies;
	struct stat status;

	if (!vaddr)
		skip();
	record("in");
	original = read_all("in");
	assert_int_equal(stat("in", &status), 0);
	/* A second block, cut. */
	assert_int_equal(system("cat in >cut && head -c 50 in | tail -c 40 >>cut"), 0);
	assert_int_equal(symbolize("cut", "out"), EXIT_CANNOT);
	copies = read_all("out");
	assert_int_equal(copies.end, 0);
	assert_begins_with(&copies, &original);
	assert_true(only_symbol_after(&copies, original.nr, 1)->vaddr == vaddr);
	clear(&copies);
	clear(&original);
}

static void failure_leaves_the_output_alone(void **state)
{
	struct rlimit before, limit;

	if (!vaddr)
		skip();
	record("in");
	assert_int_equal(system("echo before >out && cp out expected"), 0);
	assert_int_equal(symbolize("missing", "out"), EXIT_CANNOT);
	assert_same_files("out", "expected");
	assert_int_equal(symbolize("f.c", "out"), EXIT_CANNOT);
	assert_same_files("out", "expected");
	assert_int_equal(symbolize("in", "no/such/folder"), EXIT_CANNOT);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 100;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(symbolize("in", "out"), EXIT_CANNOT);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_same_files("out", "expected");
	assert_int_equal(system("test -z \"$(ls -A | grep ^.heaptap)\""), 0);
}

static void a_pipe_will_do(void **state)
{
	struct copies original, copies;
	pid_t reader;

	if (!vaddr)
		skip();
	record("in");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	reader = fork();
	if (!reader) {
		execlp("sh", "sh", "-c", "cat fifo >piped", NULL);
		_exit(1);
	}
	assert_int_equal(symbolize("in", "fifo"), EXIT_DONE);
	assert_int_equal(waitpid(reader, NULL, 0), reader);
	original = read_all("in");
	copies = read_all("piped");
	assert_begins_with(&copies, &original);
	assert_true(only_symbol_after(&copies, original.nr, 1)->vaddr == vaddr);
	clear(&copies);
	clear(&original);
}

static void nameless_addresses_are_listed(void **state)
{
	struct options options = {
		.file = "in", .output = "out", .sysroot = "root", .unresolved = "list"
	};
	char *list, *wanted;

	if (!vaddr)
		skip();
	record("in");
	assert_int_equal(cmd_symbolize.run(&options), EXIT_DONE);
	list = file__read_all("list", 4096, NULL);
	wanted = xasprintf("/lib/gone.so 0x%x\n/prog 0x%x\n/prog 0x%llx\n", BASE + 0x1001234,
			   BASE + UNKNOWN, (unsigned long long)(BASE + 0x2000000 + vaddr));
	assert_string_equal(list, wanted);
	free(wanted);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_added),
		cmocka_unit_test(twice_is_once),
		cmocka_unit_test(what_is_left_of_a_recording_is_copied),
		cmocka_unit_test(failure_leaves_the_output_alone),
		cmocka_unit_test(a_pipe_will_do),
		cmocka_unit_test(nameless_addresses_are_listed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
