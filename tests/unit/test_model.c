// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "report/model.h"
#include "stream_fixture.h"

static struct model *model;
static int result; /* of the last record */

static void apply(const struct wire_head *record)
{
	result = model__apply(model, record);
}

static int set_up(void **state)
{
	const struct sym_options options = { 0 };

	model = model__new(&options);
	sink = apply;
	return 0;
}

static int tear_down(void **state)
{
	model__free(model);
	return 0;
}

static const struct heap_totals *totals(uint32_t pid)
{
	return process__totals(model__process(model, pid));
}

static void processes_are_told_apart(void **state)
{
	assert_int_equal(model__first(model)->pid, 0);
	put_target(10, "/bin/a", "a one", WIRE_TARGET_LAUNCHED);
	put_target(11, "/bin/b", "b", 0);
	put_alloc(10, 0x1000, 5, 0);
	put_alloc(11, 0x1000, 7, 0);
	put_alloc(11, 0x2000, 9, 0);
	put_free(11, 0x1000);
	assert_int_equal(model->nr_processes, 2);
	assert_int_equal(model__first(model)->pid, 10);
	assert_string_equal(model__process(model, 10)->cmdline, "a one");
	assert_true(model__process(model, 10)->watched_whole);
	assert_false(model__process(model, 11)->watched_whole);
	assert_int_equal(model__process(model, 11)->parent, 0);
	assert_int_equal(totals(10)->live_bytes, 5);
	assert_int_equal(totals(11)->live_bytes, 9);
	assert_int_equal(model->nr_events, 4);
	assert_int_equal(model__live_bytes(model), 14);
	assert_null(model__process(model, 12));
}

static void child_begins_with_a_copy(void **state)
{
	const struct process *child;

	put_target(10, "/bin/a", "a", WIRE_TARGET_LAUNCHED);
	put_module(10, 0, "/bin/a", 0);
	put_mapping(10, 0, 0x5000);
	put_alloc(10, 0x1000, 5, 0);
	put_alloc(10, 0x2000, 100, 0);
	put_free(10, 0x2000);
	put_fork(10, 11, 0);
	child = model__process(model, 11);
	assert_int_equal(child->parent, 10);
	assert_string_equal(child->cmdline, "a");
	assert_true(child->watched_whole);
	assert_int_equal(totals(11)->allocations, 2);
	assert_int_equal(totals(11)->live_bytes, 5);
	assert_int_equal(totals(11)->peak_bytes, 5);
	assert_int_equal(totals(10)->peak_bytes, 105);
	assert_int_equal(totals(11)->inherited_blocks, 1);
	assert_int_equal(totals(11)->inherited_bytes, 5);
	assert_int_equal(space__nr_mappings(child->space), 1);
	put_free(11, 0x1000);
	assert_int_equal(totals(11)->live_blocks, 0);
	assert_int_equal(totals(10)->live_blocks, 1);
	assert_int_equal(totals(11)->unknown_frees, 0);
}

static void vfork_begins_with_nothing(void **state)
{
	put_target(10, "/bin/a", "a", WIRE_TARGET_LAUNCHED);
	put_alloc(10, 0x1000, 5, 0);
	put_fork(10, 11, WIRE_FORK_EMPTY);
	assert_int_equal(totals(11)->live_blocks, 0);
	/* Until exec it may free what is its parent's. */
	assert_false(model__process(model, 11)->watched_whole);
	put_exec(11);
	assert_true(model__process(model, 11)->watched_whole);
	assert_int_equal(totals(10)->live_blocks, 1);
}

static void exec_begins_anew(void **state)
{
	put_target(10, "/bin/a", "a", 0);
	put_module(10, 0, "/bin/a", 0);
	put_mapping(10, 0, 0x5000);
	put_alloc(10, 0x1000, 5, 0);
	put_fork(10, 11, 0);
	put_exec(11);
	put_target(11, "/bin/b", "b", 0);
	assert_int_equal(model->nr_processes, 2);
	assert_string_equal(model__process(model, 11)->exe, "/bin/b");
	assert_int_equal(model__process(model, 11)->parent, 10);
	assert_int_equal(totals(11)->allocations, 0);
	assert_int_equal(totals(11)->inherited_blocks, 0);
	assert_int_equal(space__nr_mappings(model__process(model, 11)->space), 0);
	assert_int_equal(space__nr_mappings(model__process(model, 10)->space), 1);
	assert_int_equal(model->nr_copies_held, 0);
}

static void pid_is_used_again(void **state)
{
	put_target(10, "/bin/a", "a", WIRE_TARGET_LAUNCHED);
	put_fork(10, 11, 0);
	put_alloc(11, 0x1000, 5, 0);
	put_end(11, WIRE_END_EXITED, 0x100);
	assert_true(model__process(model, 11)->ended);
	assert_int_equal(model__process(model, 11)->end_status, 0x100);
	/* What comes late is nobody's. */
	put_alloc(11, 0x2000, 6, 0);
	put_mapping(11, 0, 0x5000);
	put_exec(11);
	put_memory(11, 1, 0);
	put_end(11, WIRE_END_EXITED, 0);
	assert_int_equal(model->nr_processes, 2);
	assert_int_equal(totals(11)->live_bytes, 5);
	put_fork(10, 11, 0);
	assert_int_equal(model->nr_processes, 3);
	assert_int_equal(totals(11)->live_bytes, 0);
	/* An end that nobody saw. */
	put_alloc(11, 0x1000, 7, 0);
	put_fork(10, 11, 0);
	assert_int_equal(model->nr_processes, 4);
	assert_true(model->processes[2]->ended);
	assert_int_equal(model->processes[2]->end_reason, 0);
	assert_int_equal(process__totals(model->processes[2])->live_bytes, 7);
	put_end(11, WIRE_END_EXITED, 0);
	put_target(11, "/bin/c", "c", 0);
	assert_int_equal(model->nr_processes, 5);
	assert_int_equal(model->nr_live, 2);
}

static void senseless_forks_are_refused(void **state)
{
	put_target(10, "/bin/a", "a", 0);
	put_fork(10, 10, 0);
	assert_int_equal(result, -EBADMSG);
	put_fork(10, 0, 0);
	assert_int_equal(result, -EBADMSG);
	/* Of nobody, and of one that has ended: the child has nothing. */
	put_fork(99, 100, 0);
	assert_int_equal(result, 0);
	put_alloc(10, 0x1000, 5, 0);
	put_end(10, WIRE_END_EXITED, 0);
	put_fork(10, 101, 0);
	assert_int_equal(totals(101)->live_blocks, 0);
	assert_int_equal(model__process(model, 101)->parent, 10);
	put_end(0, WIRE_END_STOPPED, 0);
	assert_int_equal(model->nr_live, 2);
	assert_int_equal(model->end_ns, now_ns);
}

static void forks_and_execs_take_place_when_they_say(void **state)
{
	put_target(10, "/bin/a", "a", 0);
	put_alloc(10, 0x1000, 5, 0);
	now_ns += 1000000;
	put_fork(10, 11, 0);
	assert_int_equal(model->end_ns, now_ns);
	now_ns += 1000000;
	put_exec(11);
	assert_int_equal(model->end_ns, now_ns);
}

static void nothing_begins_behind_the_moment(void **state)
{
	put_target(10, "/bin/a", "a", 0);
	put_alloc(10, 0x1000, 5, 0);
	put_fork(10, 11, 0);
	model->until_ns = now_ns;
	now_ns += 1000;
	put_exec(11);
	put_target(11, "/bin/b", "b", 0);
	put_target(12, "/bin/c", "c", 0);
	put_module(12, 0, "/bin/c", 0);
	put_mapping(12, 0, 0x5000);
	put_stack(12, 1, 0x5010);
	put_alloc(12, 0x1000, 5, 1);
	assert_int_equal(model->nr_processes, 2);
	assert_string_equal(model__process(model, 11)->cmdline, "a");
	assert_int_equal(totals(11)->live_bytes, 5);
	assert_int_equal(model->end_ns, model->until_ns);
}

static void ended_process_keeps_little(void **state)
{
	put_target(10, "/bin/a", "a", 0);
	put_module(10, 0, "/bin/a", 0);
	put_mapping(10, 0, 0x5000);
	put_stack(10, 1, 0x5010);
	put_fork(10, 11, 0);
	put_fork(10, 12, 0);
	for (unsigned i = 0; i < 1000; i++)
		put_alloc(12, 0x1000 + i * 16, 10, 1);
	put_end(11, WIRE_END_EXITED, 0);
	put_end(12, WIRE_END_EXITED, 0);
	assert_null(model__process(model, 11)->space);
	assert_null(model__process(model, 12)->heap);
	assert_non_null(model__process(model, 12)->space);
	assert_int_equal(model__process(model, 12)->end_sites.nr, 1);
	assert_int_equal(model__process(model, 12)->end_sites.live.bytes, 10000);
	assert_int_equal(totals(12)->live_blocks, 1000);
}

static void stacks_of_processes_share_locations(void **state)
{
	put_target(10, "/bin/a", "a", 0);
	put_module(10, 0, "/bin/a", 0);
	put_mapping(10, 0, 0x5000);
	put_target(11, "/bin/a", "a", 0);
	put_mapping(11, 0, 0x9000);
	put_stack(10, 1, 0x5010);
	put_stack(11, 2, 0x9010);
	put_stack(11, 3, 0x5010);
	assert_int_equal(stacks__index(model->stacks, 1), stacks__index(model->stacks, 2));
	assert_int_not_equal(stacks__index(model->stacks, 1), stacks__index(model->stacks, 3));
	assert_int_equal(modmap__nr_locations(model->modmap), 2);
}

/* 24 bytes each that would make 1000 heaps of a million blocks. */
static void forks_are_bounded(void **state)
{
	const unsigned nr_blocks = 1000000;
	uint64_t begin_ns = clock__monotonic_ns();
	uint32_t nr_copies = 0;

	put_target(10, "/bin/a", "a", 0);
	for (unsigned i = 0; i < nr_blocks; i++)
		put_alloc(10, 0x1000 + i * 16, 10, 0);
	for (uint32_t i = 0; i < 100; i++) {
		put_fork(10, 11 + i, 0);
		assert_int_equal(result, 0);
		nr_copies += totals(11 + i)->live_blocks > 0;
		/* Most of it goes again: only what is held counts. */
		put_exec(11 + i);
	}
	assert_int_equal(nr_copies, 100);
	assert_int_equal(model->nr_copies_held, 0);
	assert_int_equal(model->nr_copies_made, 100ull * nr_blocks);
	model->nr_copies_held = 64ull << 20;
	put_fork(10, 1000, 0);
	assert_int_equal(result, 0);
	assert_int_equal(totals(1000)->live_blocks, 0);
	assert_int_equal(model__process(model, 1000)->parent, 10);
	model->nr_copies_held = 0;
	model->nr_copies_made = UINT64_MAX / 2;
	put_fork(10, 1001, 0);
	assert_int_equal(totals(1001)->live_blocks, 0);
	assert_true(clock__monotonic_ns() - begin_ns < 60 * NSEC_PER_SEC);
}

static void living_processes_are_bounded(void **state)
{
	for (uint32_t pid = 1; pid <= MODEL_MAX_LIVE + 10; pid++) {
		put_alloc(pid, 0x1000, 10, 0);
		assert_int_equal(result, 0);
	}
	put_fork(1, 1000000, 0);
	put_alloc(1000000, 0x1000, 10, 0);
	assert_int_equal(result, 0);
	assert_int_equal(model->nr_processes, MODEL_MAX_LIVE);
	put_end(5, WIRE_END_EXITED, 0);
	put_fork(1, 1000000, 0);
	assert_int_equal(model->nr_processes, MODEL_MAX_LIVE + 1);
	assert_int_equal(totals(1000000)->inherited_bytes, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(processes_are_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(child_begins_with_a_copy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(vfork_begins_with_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(exec_begins_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pid_is_used_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(senseless_forks_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forks_and_execs_take_place_when_they_say, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(nothing_begins_behind_the_moment, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(ended_process_keeps_little, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stacks_of_processes_share_locations, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(forks_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(living_processes_are_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
