// SPDX-License-Identifier: BSD-2-Clause
/* The costs of call sites, against sums made the slow way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/util.h"
#include "report/profile.h"
#include "report/report.h"
#include "stream_fixture.h"

#define PID   100
#define CHILD 101

static struct model *model;
static struct profile *profile;

static void apply(const struct wire_head *record)
{
	assert_int_equal(model__apply(model, record), 0);
}

static int set_up(void **state)
{
	static const struct sym_options options = { 0 };

	model = model__new(&options);
	profile = profile__new(model);
	sink = apply;
	now_ns = 1000;
	put_target(PID, "/bin/app", "app", WIRE_TARGET_LAUNCHED);
	put_module(PID, 0, "[code]", 0);
	put_mapping(PID, 0, 0x10000);
	for (uint32_t i = 1; i <= 9; i++)
		put_stack(PID, i, 0x10000 + 16 * i);
	return 0;
}

static int tear_down(void **state)
{
	profile__free(profile);
	model__free(model);
	return 0;
}

/* The costs of a stack in a process; nothing where it has none. */
static struct costs costs_of(uint32_t pid, uint32_t stack)
{
	struct profile_process process = profile__of(profile, model__process(model, pid));
	struct costs sum = { 0 };

	for (size_t i = 0; i < process.nr_sites; i++)
		if (process.sites[i].stack == stacks__index(model->stacks, stack))
			costs__add(&sum, &process.sites[i].costs);
	return sum;
}

static void check(struct amount amount, uint64_t bytes, uint64_t blocks)
{
	assert_int_equal(amount.bytes, bytes);
	assert_int_equal(amount.blocks, blocks);
}

static void test_the_costs_of_a_site(void **state)
{
	struct costs costs;

	put_alloc(PID, 0x1000, 10, 1);
	put_alloc(PID, 0x2000, 20, 1);
	put_free(PID, 0x2000);
	put_alloc(PID, 0x3000, 5, 1);
	put_free(PID, 0x1000);
	costs = costs_of(PID, 1);
	check(costs.of[COST_TOTAL], 35, 3);
	check(costs.of[COST_FREED], 30, 2);
	check(costs.of[COST_LIVE], 5, 1);
	check(costs.of[COST_TEMPORARY], 20, 1);
	check(costs.of[COST_PEAK], 30, 2);
	assert_int_equal(costs.lifetime_ns, 1 + 4);
	assert_int_equal(costs.nr_lifetimes, 2);
	assert_int_equal(profile__of(profile, model__process(model, PID)).peak_ns, 1002);
}

static void test_a_block_whose_free_was_lost_has_no_lifetime(void **state)
{
	struct costs costs;

	put_alloc(PID, 0x1000, 10, 1);
	put_alloc(PID, 0x1000, 20, 1);
	costs = costs_of(PID, 1);
	check(costs.of[COST_FREED], 10, 1);
	assert_int_equal(costs.nr_lifetimes, 0);
	put_free(PID, 0x1000);
	costs = costs_of(PID, 1);
	check(costs.of[COST_FREED], 30, 2);
	assert_int_equal(costs.nr_lifetimes, 1);
	assert_int_equal(costs.lifetime_ns, 1);
}

static void test_the_peak_of_each_site_is_that_of_the_process(void **state)
{
	put_alloc(PID, 0x1000, 100, 1);
	put_alloc(PID, 0x2000, 50, 2);
	put_free(PID, 0x1000);
	put_alloc(PID, 0x3000, 90, 2); /* 140: less than 150 */
	check(costs_of(PID, 1).of[COST_PEAK], 100, 1);
	check(costs_of(PID, 2).of[COST_PEAK], 50, 1);
	put_alloc(PID, 0x4000, 11, 3); /* 151 */
	check(costs_of(PID, 1).of[COST_PEAK], 0, 0);
	check(costs_of(PID, 2).of[COST_PEAK], 140, 2);
	check(costs_of(PID, 3).of[COST_PEAK], 11, 1);
}

/* At random; the peak by copying everything each time there is a new one. */
static void test_peaks_against_copies(void **state)
{
	static uint64_t live[10], peak[10], blocks[64], owner[64];
	uint64_t sum = 0, highest = 0;

	srandom(7);
	for (unsigned i = 0; i < 20000; i++) {
		size_t k = (size_t)random() % ARRAY_SIZE(blocks);

		if (blocks[k]) {
			put_free(PID, 0x1000 * (k + 1));
			live[owner[k]] -= blocks[k];
			sum -= blocks[k];
			blocks[k] = 0;
			continue;
		}
		blocks[k] = 1 + (uint64_t)random() % 1000;
		owner[k] = 1 + (uint64_t)random() % 9;
		put_alloc(PID, 0x1000 * (k + 1), blocks[k], (uint32_t)owner[k]);
		live[owner[k]] += blocks[k];
		sum += blocks[k];
		if (sum > highest) {
			highest = sum;
			memcpy(peak, live, sizeof(peak));
		}
		if (i % 1000 == 0)
			assert_int_equal(costs_of(PID, 1).of[COST_PEAK].bytes, peak[1]);
	}
	for (uint32_t i = 1; i < ARRAY_SIZE(live); i++) {
		assert_int_equal(costs_of(PID, i).of[COST_LIVE].bytes, live[i]);
		assert_int_equal(costs_of(PID, i).of[COST_PEAK].bytes, peak[i]);
	}
	assert_int_equal(profile__of(profile, model__process(model, PID)).peak.bytes, highest);
}

static void test_a_child_begins_with_what_it_inherits(void **state)
{
	put_alloc(PID, 0x1000, 10, 1);
	put_alloc(PID, 0x2000, 20, 2);
	put_fork(PID, CHILD, 0);
	put_free(CHILD, 0x1000);
	put_alloc(CHILD, 0x3000, 3, 3);
	check(costs_of(CHILD, 1).of[COST_LIVE], 0, 0);
	check(costs_of(CHILD, 1).of[COST_FREED], 10, 1);
	check(costs_of(CHILD, 1).of[COST_PEAK], 10, 1);
	check(costs_of(CHILD, 2).of[COST_LIVE], 20, 1);
	check(costs_of(CHILD, 3).of[COST_TOTAL], 3, 1);
	check(costs_of(PID, 1).of[COST_LIVE], 10, 1);
	check(costs_of(PID, 3).of[COST_TOTAL], 0, 0);
}

static void test_another_program_begins_anew(void **state)
{
	put_alloc(PID, 0x1000, 10, 1);
	put_exec(PID);
	check(costs_of(PID, 1).of[COST_TOTAL], 0, 0);
	put_alloc(PID, 0x1000, 7, 1);
	check(costs_of(PID, 1).of[COST_TOTAL], 7, 1);
	put_end(PID, WIRE_END_EXITED, 0);
	check(costs_of(PID, 1).of[COST_LIVE], 7, 1);
}

static void test_filters_leave_blocks_out_but_not_the_peak(void **state)
{
	model->filter.min_bytes = 15;
	put_alloc(PID, 0x1000, 10, 1);
	put_alloc(PID, 0x2000, 20, 1);
	put_free(PID, 0x1000);
	check(costs_of(PID, 1).of[COST_TOTAL], 20, 1);
	check(costs_of(PID, 1).of[COST_PEAK], 20, 1);
	assert_int_equal(profile__of(profile, model__process(model, PID)).peak.bytes, 30);
	model->filter.tid = PID + 1;
	put_alloc(PID, 0x3000, 30, 2);
	check(costs_of(PID, 2).of[COST_TOTAL], 0, 0);
}

static void test_nothing_counts_after_the_moment(void **state)
{
	model->until_ns = 1002;
	put_alloc(PID, 0x1000, 10, 1);
	put_alloc(PID, 0x2000, 20, 1);
	put_free(PID, 0x1000);
	put_end(PID, WIRE_END_EXITED, 0);
	check(costs_of(PID, 1).of[COST_LIVE], 30, 2);
	assert_false(model__process(model, PID)->ended);
	assert_int_equal(model->end_ns, 1002);
}

static void test_a_report_is_sorted_by_its_cost(void **state)
{
	struct report_options options = { .cost = COST_TOTAL };
	struct report *report;

	put_alloc(PID, 0x1000, 10, 1);
	put_alloc(PID, 0x2000, 20, 2);
	put_free(PID, 0x2000);
	report = report__build(model, profile, &options);
	assert_int_equal(report->nr_entries, 2);
	assert_int_equal(report->processes[0].entries[0].costs.of[COST_TOTAL].bytes, 20);
	report__free(report);
	options.cost = COST_LIVE;
	report = report__build(model, profile, &options);
	assert_int_equal(report->nr_entries, 1);
	assert_int_equal(report->processes[0].entries[0].costs.of[COST_LIVE].bytes, 10);
	check(report->processes[0].sums.of[COST_TOTAL], 30, 2);
	report__free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_costs_of_a_site, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_block_whose_free_was_lost_has_no_lifetime,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_peak_of_each_site_is_that_of_the_process,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_peaks_against_copies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_child_begins_with_what_it_inherits, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_another_program_begins_anew, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_filters_leave_blocks_out_but_not_the_peak,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_counts_after_the_moment, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_report_is_sorted_by_its_cost, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
