// SPDX-License-Identifier: BSD-2-Clause
/* A recording of a tree of processes, written by the writer and read by the commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/opts.h"
#include "stream_fixture.h"
#include "trace/writer.h"

#define STACK_MAKE 1
#define STACK_CC   2
#define STACK_POOL 3

static struct trace_writer *writer;
static char recording[] = "/tmp/heaptap-tree-XXXXXX", report[] = "/tmp/heaptap-report-XXXXXX";

static void append(const struct wire_head *record)
{
	assert_int_equal(trace_writer__append(writer, record), 0);
}

static int begin(void **state)
{
	int fd = open(recording, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	writer = trace_writer__new(fd, recording);
	*state = (void *)(intptr_t)fd;
	assert_non_null(writer);
	sink = append;
	return 0;
}

static void end(void **state)
{
	assert_int_equal(trace_writer__close(writer), 0);
	close((int)(intptr_t)*state);
	*state = (void *)-1;
}

static int set_up_group(void **state)
{
	int fds[] = { mkstemp(recording), mkstemp(report) };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_true(fds[i] >= 0);
		close(fds[i]);
	}
	return 0;
}

static int tear_down_group(void **state)
{
	unlink(recording);
	unlink(report);
	return 0;
}

/* What a command prints about the recording, to be freed; its status to *status. */
static char *ask(const char *line, int *status)
{
	char *argv[16], *words = xstrdup(line), *rest = words, *text;
	struct options options;
	int argc = 0;

	while ((argv[argc] = strsep(&rest, " ")))
		argc++;
	argv[argc++] = (char *)"-o";
	argv[argc++] = report;
	argv[argc++] = recording;
	argv[argc] = NULL;
	assert_int_equal(opts__parse(&cmd_leaks, argc, argv, &options), 0);
	*status = cmd_leaks.run(&options);
	text = file__read_all(report, 1 << 20, NULL);
	assert_non_null(text);
	free(words);
	return text;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in\n%s", part, text);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("there is \"%s\" in\n%s", part, text);
}

/* make runs cc twice: one child execs and leaks, one leaks what it inherited, one does nothing. */
static void write_tree(void **state)
{
	put_target(100, "/usr/bin/make", "make all", WIRE_TARGET_LAUNCHED);
	put_module(100, 0, "/none/make", 0);
	put_mapping(100, 0, 0x10000);
	put_stack(100, STACK_MAKE, 0x10100);
	put_alloc(100, 0x5000, 40, STACK_MAKE);
	put_alloc(100, 0x6000, 60, STACK_MAKE);

	put_fork(100, 101, 0);
	put_target(101, "/usr/bin/make", "make all", 0);
	put_exec(101);
	put_target(101, "/usr/bin/cc", "cc -c \033[31mx.c", 0);
	put_module(101, 1, "/none/cc", WIRE_MODULE_WATCHED);
	put_mapping(101, 1, 0x20000);
	put_stack(101, STACK_CC, 0x20200);
	put_alloc(101, 0x5000, 7, STACK_CC);

	put_fork(100, 102, 0);
	put_target(102, "/usr/bin/make", "make all", 0);
	put_fork(100, 103, WIRE_FORK_EMPTY);
	put_target(103, "/usr/bin/make", "make all", 0);
	put_exec(103);
	put_target(103, "/usr/bin/true", "true", 0);
	put_free(102, 0x6000);
	put_end(103, WIRE_END_EXITED, 0);
	put_end(102, WIRE_END_EXITED, 11);
	put_end(101, WIRE_END_EXITED, 0x100);
	put_free(100, 0x6000);
	put_free(100, 0x5000);
	put_end(100, WIRE_END_EXITED, 0);
	put_end(0, WIRE_END_STOPPED, 0);
	put_name(1, 0, 0x100, "new_rule");
	put_name(2, 1, 0x200, "parse");
	end(state);
}

static void tree_in_text(void **state)
{
	int status;
	char *text;

	write_tree(state);
	text = ask("leaks --error-exitcode 9", &status);
	assert_int_equal(status, 9);
	assert_string_equal(text,
			    "Process 100: make all (launched, exited with status 0)\n"
			    "======================================================\n"
			    "\n"
			    "Live: 0 bytes in 0 blocks, peak 100 bytes.\n"
			    "Allocations: 2 (100 bytes), failed: 0.\n"
			    "Frees: 2, of blocks older than the attach: 0.\n"
			    "\n"
			    "Process 101: cc -c ?[31mx.c (forked by 100, exited with status 1)\n"
			    "=================================================================\n"
			    "\n"
			    "Leak sum=7 count=1 avg=7\n"
			    " parse at cc+0x200\n"
			    "\n"
			    "Live: 7 bytes in 1 block, peak 7 bytes.\n"
			    "Allocations: 1 (7 bytes), failed: 0.\n"
			    "Frees: 0, of blocks older than the attach: 0.\n"
			    "\n"
			    "Process 102: make all (forked by 100, killed by signal 11)\n"
			    "==========================================================\n"
			    "\n"
			    "Leak sum=40 count=1 avg=40\n"
			    " new_rule at make+0x100\n"
			    "\n"
			    "Live: 40 bytes in 1 block, peak 100 bytes.\n"
			    "Inherited by fork: 100 bytes in 2 blocks.\n"
			    "Allocations: 2 (100 bytes), failed: 0.\n"
			    "Frees: 1, of blocks older than the attach: 0.\n"
			    "\n"
			    "Process 103: true (forked by 100, exited with status 0): no "
			    "allocations.\n"
			    "\n"
			    "All 4 processes: 47 bytes live in 2 blocks, in 2 of them.\n"
			    "Lost events: 0.\n");
	free(text);
}

static void tree_in_json(void **state)
{
	int status;
	char *text;

	write_tree(state);
	text = ask("leaks --json", &status);
	assert_int_equal(status, 0);
	has(text, "{\n  \"heaptap\": \"" HEAPTAP_VERSION "\",\n  \"processes\": [\n    {\n"
		  "      \"heaptap\": \"" HEAPTAP_VERSION "\",\n      \"target\": {\n"
		  "        \"pid\": 100,\n        \"exe\": ");
	has(text, "\"pid\": 101,\n        \"parent\": 100,\n        \"exe\": \"/usr/bin/cc\"");
	has(text, "\"pid\": 103,\n        \"parent\": 100,\n");
	has(text, "\"inherited\": {\n        \"blocks\": 2,\n        \"bytes\": 100\n");
	has(text, "\"family\": \"glibc\"");
	has_not(text, "\"missing_allocator\"");
	/* Each in its own address space. */
	has(text, "\"function\": \"parse\",\n              \"file\": null,\n              "
		  "\"line\": null,\n              \"module\": \"/none/cc\",\n              "
		  "\"offset\": 512,\n              \"address\": 131584,\n");
	has(text, "\"address\": 65792,\n");
	free(text);
}

static void one_process_is_as_ever(void **state)
{
	int status;
	char *text;

	for (int complete = 0; complete < 2; complete++) {
		if (complete)
			begin(state);
		put_target(100, "/bin/a", "a", 0);
		put_alloc(100, 0x5000, 40, 0);
		put_end(100, WIRE_END_EXITED, 0);
		if (complete)
			put_end(0, WIRE_END_STOPPED, 0);
		end(state);
		text = ask("leaks", &status);
		assert_int_equal(status, 0);
		assert_string_equal(text, "Leak sum=40 count=1 avg=40\n"
					  "\n"
					  "Live: 40 bytes in 1 block, peak 40 bytes.\n"
					  "Allocations: 1 (40 bytes), failed: 0.\n"
					  "Frees: 0, of blocks older than the attach: 0.\n"
					  "Lost events: 0.\n");
		free(text);
		text = ask("leaks --json", &status);
		has(text, "{\n  \"heaptap\": \"" HEAPTAP_VERSION "\",\n  \"target\": {\n");
		has_not(text, "processes");
		free(text);
	}
}

static void tree_is_complete_when_the_recording_is(void **state)
{
	int status;

	put_target(100, "/bin/a", "a", 0);
	put_fork(100, 101, 0);
	put_end(100, WIRE_END_EXITED, 0);
	put_end(101, WIRE_END_EXITED, 0);
	end(state);
	free(ask("leaks", &status));
	assert_int_equal(status, 1);
	begin(state);
	put_target(100, "/bin/a", "a", 0);
	put_target(101, "/bin/b", "b", 0);
	put_end(100, WIRE_END_STOPPED, 0);
	put_end(0, WIRE_END_STOPPED, 0);
	put_name(1, 0, 0x100, "late");
	end(state);
	free(ask("leaks", &status));
	assert_int_equal(status, 0);
}

static void families_are_told_apart(void **state)
{
	int status;
	char *text;

	put_target(100, "/bin/a", "a", 0);
	put_module(100, 0, "/none/a", 0);
	put_mapping(100, 0, 0x10000);
	put_stack(100, STACK_POOL, 0x10300);
	put_function(1024, "pool", "pool_get");
	put_alloc(100, 0x5000, 40, STACK_POOL);
	put_alloc_by(100, 0x6000, 30, STACK_POOL, 1024);
	put_alloc_by(100, 0x7000, 30, STACK_POOL, 1024);
	put_end(100, WIRE_END_STOPPED, 0);
	put_end(0, WIRE_END_STOPPED, 0);
	end(state);
	text = ask("leaks", &status);
	has(text, "Leak sum=60 count=2 avg=30 family=pool\n ?? at a+0x300\n\n"
		  "Leak sum=40 count=1 avg=40 family=glibc\n ?? at a+0x300\n\n"
		  "Live: 100 bytes in 3 blocks, peak 100 bytes.\n"
		  "By family: pool 60 bytes in 2 blocks, glibc 40 bytes in 1 block.\n");
	free(text);
	text = ask("leaks --json", &status);
	has(text, "\"family\": \"pool\"");
	free(text);
}

/* A process is suspected of an allocator that nobody watches, and blamed on its library. */
static void missing_allocator_is_told(void **state)
{
	int status;
	char *text;

	put_target(100, "/bin/a", "a", WIRE_TARGET_LAUNCHED);
	put_module(100, 0, "/none/libfoo.so", WIRE_MODULE_MAPS);
	put_mapping(100, 0, 0x10000);
	put_memory(100, 120 * MIB, 0);
	for (unsigned i = 0; i < 20; i++)
		put_free(100, 0x5000 + i * 16);
	put_end(100, WIRE_END_EXITED, 0);
	put_end(0, WIRE_END_STOPPED, 0);
	end(state);
	text = ask("leaks", &status);
	has(text, "\nheaptap may be missing an allocator: memory grew by 120 MiB that no watched "
		  "function allocated; 20 blocks were freed that no watched function allocated; "
		  "libfoo.so asks the kernel for memory itself. `heaptap help leaks` explains "
		  "--allocator.\n");
	free(text);
	text = ask("leaks --json", &status);
	has(text, "\"missing_allocator\": {\n    \"reasons\": [\n      \"unknown_frees\",\n      "
		  "\"unexplained_memory\"\n    ],\n    \"module\": \"/none/libfoo.so\"\n  }");
	free(text);
}

static void only_what_is_old_enough_is_shown(void **state)
{
	int status;
	char *text;

	put_target(100, "/bin/a", "a", 0);
	put_fork(100, 101, 0);
	put_alloc(101, 0x5000, 40, 0);
	now_ns += 10 * NSEC_PER_SEC;
	put_alloc(101, 0x6000, 60, 0);
	put_end(101, WIRE_END_EXITED, 0);
	now_ns += 10 * NSEC_PER_SEC;
	put_end(0, WIRE_END_STOPPED, 0);
	end(state);
	text = ask("leaks --older 5", &status);
	has(text, "Leak sum=40 count=1 avg=40\n");
	has_not(text, "sum=100");
	has(text, "Process 100: a: no allocations.\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(tree_in_text, begin),
		cmocka_unit_test_setup(tree_in_json, begin),
		cmocka_unit_test_setup(one_process_is_as_ever, begin),
		cmocka_unit_test_setup(tree_is_complete_when_the_recording_is, begin),
		cmocka_unit_test_setup(families_are_told_apart, begin),
		cmocka_unit_test_setup(missing_allocator_is_told, begin),
		cmocka_unit_test_setup(only_what_is_old_enough_is_shown, begin),
	};

	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
