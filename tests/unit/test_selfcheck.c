// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/util.h"
#include "report/model.h"
#include "report/selfcheck.h"
#include "stream_fixture.h"

#define PID 10

static struct model *model;

static void apply(const struct wire_head *record)
{
	assert_int_equal(model__apply(model, record), 0);
}

/* A process that maps its executable, the loader, the C library, and two that may be suspected. */
static void begin(uint32_t flags)
{
	static const struct {
		const char *path;
		uint32_t flags;
	} modules[] = {
		{ "/usr/bin/app", 0 },
		{ "/lib/ld-linux-x86-64.so.2", WIRE_MODULE_MAPS },
		{ "/lib/libc.so.6", WIRE_MODULE_MAPS | WIRE_MODULE_WATCHED },
		{ "[vdso]", WIRE_MODULE_MAPS },
		{ "/lib/libdata.so", WIRE_MODULE_MAPS },
		{ "/lib/libfooalloc.so.1", WIRE_MODULE_MAPS },
	};
	const struct sym_options options = { 0 };

	model = model__new(&options);
	sink = apply;
	put_target(PID, "/usr/bin/app", "app", flags);
	for (uint32_t i = 0; i < ARRAY_SIZE(modules); i++)
		put_module(PID, i, modules[i].path, modules[i].flags);
}

static void map(uint32_t module)
{
	put_mapping(PID, module, 0x10000 * (module + 1));
}

static void do_work(uint32_t pid, unsigned nr_blocks)
{
	for (unsigned i = 0; i < nr_blocks; i++) {
		put_alloc(pid, 0x1000, 100, 0);
		put_free(pid, 0x1000);
	}
}

static void free_unknown(uint32_t pid, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		put_free(pid, 0x900000 + i * 16);
}

static struct selfcheck check_of(uint32_t pid)
{
	return selfcheck__run(model, model__process(model, pid));
}

/* Checks the one process, and ends. */
static void expect(uint64_t unknown_frees, uint64_t unexplained_bytes, uint64_t replaced_blocks,
		   const char *module)
{
	struct selfcheck check = check_of(PID);

	assert_int_equal(check.unknown_frees, unknown_frees);
	assert_int_equal(check.unexplained_bytes, unexplained_bytes);
	assert_int_equal(check.replaced_blocks, replaced_blocks);
	assert_int_equal(check.suspicious, unknown_frees || unexplained_bytes || replaced_blocks);
	if (module)
		assert_string_equal(check.module->path, module);
	else
		assert_null(check.module);
	model__free(model);
}

static void healthy_process_is_not_suspected(void **state)
{
	begin(WIRE_TARGET_LAUNCHED);
	for (uint32_t i = 0; i < 6; i++)
		map(i);
	do_work(PID, 1000);
	free_unknown(PID, 10);
	put_memory(PID, 15 * MIB, 0);
	expect(0, 0, 0, NULL);
}

static void frees_of_nothing(void **state)
{
	begin(WIRE_TARGET_LAUNCHED);
	map(0);
	do_work(PID, 1000);
	free_unknown(PID, 11);
	expect(11, 0, 0, NULL);

	/* Less than 1 %. */
	begin(WIRE_TARGET_LAUNCHED);
	do_work(PID, 2000);
	free_unknown(PID, 19);
	expect(0, 0, 0, NULL);

	/* Older than the attach. */
	begin(0);
	do_work(PID, 1000);
	free_unknown(PID, 900);
	expect(0, 0, 0, NULL);

	/* Nothing can be said. */
	begin(WIRE_TARGET_LAUNCHED);
	put_lost(1);
	free_unknown(PID, 900);
	expect(0, 0, 0, NULL);
}

static void frees_of_a_child(void **state)
{
	begin(WIRE_TARGET_LAUNCHED);
	put_alloc(PID, 0x5000, 1, 0);
	put_fork(PID, 11, 0);
	put_fork(PID, 12, WIRE_FORK_EMPTY);
	put_fork(PID, 13, WIRE_FORK_EMPTY);
	put_exec(13);
	for (uint32_t pid = 11; pid <= 13; pid++)
		free_unknown(pid, 100);
	assert_int_equal(check_of(11).unknown_frees, 100);
	/* Its parent's blocks. */
	assert_false(check_of(12).suspicious);
	assert_int_equal(check_of(13).unknown_frees, 100);
	expect(0, 0, 0, NULL);
}

static void memory_from_nowhere(void **state)
{
	begin(WIRE_TARGET_LAUNCHED);
	map(4);
	put_memory(PID, 30 * MIB, 0);
	put_memory(PID, 5 * MIB, 0);
	expect(0, 30 * MIB, 0, "/lib/libdata.so");

	/* Nobody is there who could have asked for it: big variables. */
	begin(WIRE_TARGET_LAUNCHED);
	for (uint32_t i = 0; i < 4; i++)
		map(i);
	put_memory(PID, 300 * MIB, 0);
	expect(0, 0, 0, NULL);

	/* Stacks. */
	begin(WIRE_TARGET_LAUNCHED);
	map(4);
	put_memory(PID, 300 * MIB, 290 * MIB);
	expect(0, 0, 0, NULL);
	begin(WIRE_TARGET_LAUNCHED);
	map(4);
	put_memory(PID, 300 * MIB, 400 * MIB);
	expect(0, 0, 0, NULL);

	/* It was allocated, and freed since; then it was fragmented. */
	begin(WIRE_TARGET_LAUNCHED);
	map(4);
	put_alloc(PID, 0x1000, 100 * MIB, 0);
	put_free(PID, 0x1000);
	put_memory(PID, 210 * MIB, 0);
	expect(0, 0, 0, NULL);

	/* Many small blocks are more than their bytes. */
	begin(WIRE_TARGET_LAUNCHED);
	map(4);
	for (unsigned i = 0; i < 1000000; i++)
		put_alloc(PID, 0x1000 + i * 32, 1, 0);
	put_memory(PID, 32 * MIB, 0);
	expect(0, 0, 0, NULL);
}

static void memory_of_an_attached_process(void **state)
{
	begin(0);
	map(4);
	put_memory(PID, 500 * MIB, 0);
	put_memory(PID, 560 * MIB, 0);
	expect(0, 0, 0, NULL);

	begin(0);
	map(4);
	put_memory(PID, 500 * MIB, 0);
	put_alloc(PID, 0x1000, 10 * MIB - 32, 0);
	put_memory(PID, 700 * MIB, 0);
	put_memory(PID, 500 * MIB, 0);
	expect(0, 190 * MIB, 0, "/lib/libdata.so");
}

static void memory_of_a_child_was_its_parents(void **state)
{
	begin(WIRE_TARGET_LAUNCHED);
	map(4);
	put_alloc(PID, 0x1000, 200 * MIB, 0);
	put_memory(PID, 200 * MIB, 0);
	put_free(PID, 0x1000);
	put_fork(PID, 11, 0);
	put_memory(11, 200 * MIB, 0);
	assert_false(check_of(11).suspicious);
	put_exec(11);
	put_mapping(11, 5, 0x10000);
	put_memory(11, 40 * MIB, 0);
	assert_int_equal(check_of(11).unexplained_bytes, 40 * MIB);
	expect(0, 0, 0, NULL);
}

static void blocks_given_out_again(void **state)
{
	begin(0);
	map(2);
	map(5);
	for (unsigned i = 0; i < 12; i++)
		put_alloc(PID, 0x1000, 100, 0);
	expect(0, 0, 11, "/lib/libfooalloc.so.1");

	begin(0);
	for (unsigned i = 0; i < 11; i++)
		put_alloc(PID, 0x1000, 100, 0);
	expect(0, 0, 0, NULL);

	begin(0);
	put_lost(3);
	for (unsigned i = 0; i < 100; i++)
		put_alloc(PID, 0x1000, 100, 0);
	expect(0, 0, 0, NULL);
}

static void best_suspect_comes_first(void **state)
{
	begin(WIRE_TARGET_LAUNCHED);
	put_module(PID, 6, "/usr/bin/app", WIRE_MODULE_MAPS);
	put_module(PID, 7, "/lib/libmore.so", WIRE_MODULE_MAPS);
	map(7);
	map(4);
	put_memory(PID, 30 * MIB, 0);
	assert_string_equal(check_of(PID).module->path, "/lib/libdata.so");
	map(6);
	assert_string_equal(check_of(PID).module->path, "/usr/bin/app");
	map(5);
	assert_string_equal(check_of(PID).module->path, "/lib/libfooalloc.so.1");
	/* Once ended, too. */
	put_end(PID, WIRE_END_EXITED, 0);
	expect(0, 30 * MIB, 0, "/lib/libfooalloc.so.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(healthy_process_is_not_suspected),
		cmocka_unit_test(frees_of_nothing),
		cmocka_unit_test(frees_of_a_child),
		cmocka_unit_test(memory_from_nowhere),
		cmocka_unit_test(memory_of_an_attached_process),
		cmocka_unit_test(memory_of_a_child_was_its_parents),
		cmocka_unit_test(blocks_given_out_again),
		cmocka_unit_test(best_suspect_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
