// SPDX-License-Identifier: BSD-2-Clause
/* What a block that stands for several does to the model and to what observes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/util.h"
#include "observed.h"
#include "report/activity.h"
#include "report/live_blocks.h"
#include "report/profile.h"
#include "report/samples.h"
#include "report/selfcheck.h"
#include "report/sizes.h"
#include "report/slices.h"
#include "report/timeline.h"

#define PERIOD 4096

static struct profile *profile;
static struct sizes *sizes;
static struct timeline *timeline;
static struct activity *activity;
static struct samples *samples;
static struct slices *slices;

static int set_up(void **state)
{
	begin_model();
	profile = profile__new(model);
	sizes = sizes__new(model);
	timeline = timeline__new(model);
	activity = activity__new(model);
	samples = samples__new(model, 1000);
	slices = slices__new(model, 1000);
	return 0;
}

static int tear_down(void **state)
{
	profile__free(profile);
	sizes__free(sizes);
	timeline__free(timeline);
	activity__free(activity);
	samples__free(samples);
	slices__free(slices);
	model__free(model);
	return 0;
}

static void put_sampled(uint32_t pid)
{
	struct wire_target record = { .attached_ns = now_ns, .sample_bytes = PERIOD };

	put_record(&record, WIRE_TARGET, sizeof(record), pid);
}

static void put_weighted(uint32_t pid, uint64_t addr, uint64_t bytes, uint32_t weight,
			 uint16_t flags)
{
	struct wire_alloc record = { .time_ns = ++now_ns,
				     .addr = addr,
				     .bytes = bytes,
				     .tid = pid,
				     .func = flags ? REALLOC : MALLOC,
				     .flags = flags,
				     .weight = weight };

	put_record(&record, WIRE_ALLOC, sizeof(record), pid);
}

static void put_begin_realloc(uint32_t pid, uint64_t addr)
{
	struct wire_free record = { .time_ns = ++now_ns,
				    .addr = addr,
				    .tid = pid,
				    .func = REALLOC,
				    .flags = WIRE_FREE_REALLOC };

	put_record(&record, WIRE_FREE, sizeof(record), pid);
}

static void assert_amount(struct amount amount, uint64_t bytes, uint64_t blocks)
{
	assert_int_equal(amount.bytes, bytes);
	assert_int_equal(amount.blocks, blocks);
}

static struct heap_block block_of(uint64_t bytes, uint32_t weight)
{
	return (struct heap_block){ .size = heap_block__size(bytes, weight) };
}

static void a_word_holds_both(void **state)
{
	static const struct {
		uint64_t bytes, bytes_kept;
		uint32_t weight, weight_kept;
	} cases[] = {
		{ 0, 0, 0, 1 },
		{ 0, 0, 7, 7 },
		{ 24, 24, 0, 1 },
		{ 24, 24, 1, 1 },
		{ 24, 24, 2, 2 },
		{ UINT32_MAX, UINT32_MAX, HEAP_MAX_WEIGHT, HEAP_MAX_WEIGHT },
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX, HEAP_MAX_WEIGHT },
		{ 1ull << 32, 1ull << 32, 9, 1 },
		{ INT64_MAX, INT64_MAX, 9, 1 },
		{ UINT64_MAX, INT64_MAX, 0, 1 },
		{ UINT64_MAX, INT64_MAX, UINT32_MAX, 1 },
	};

	assert_int_equal(sizeof(struct heap_block), 32);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct heap_block block = block_of(cases[i].bytes, cases[i].weight);

		assert_int_equal(heap_block__bytes(&block), cases[i].bytes_kept);
		assert_int_equal(heap_block__weight(&block), cases[i].weight_kept);
		/* Never more than 64 bits. */
		assert_amount(amount__of_block(&block), cases[i].bytes_kept * cases[i].weight_kept,
			      cases[i].weight_kept);
	}
}

static void totals_count_weights(void **state)
{
	const struct heap_totals *totals;

	put_sampled(10);
	put_weighted(10, 0x1000, 100, 40, 0);
	put_weighted(10, 0x2000, 5000, 0, 0);
	put_free(10, 0x1000);
	put_weighted(10, 0x3000, 50, 80, 0);
	put_weighted(10, 0x3000, 10, 400, 0);
	put_weighted(10, 0, 30, 130, 0);
	totals = process__totals(process_of(10));
	assert_int_equal(totals->allocations, 40 + 1 + 80 + 400);
	assert_int_equal(totals->allocated_bytes, 4000 + 5000 + 4000 + 4000);
	assert_int_equal(totals->frees, 40);
	assert_int_equal(totals->replaced_blocks, 80);
	assert_int_equal(totals->failed_allocations, 130);
	assert_int_equal(totals->live_blocks, 401);
	assert_int_equal(totals->live_bytes, 9000);
	assert_int_equal(totals->peak_bytes, 9000);
	assert_int_equal(totals->peak_blocks, 81);
	assert_int_equal(heap__nr_blocks(process_of(10)->heap), 2);
	/* Records, whatever they stand for. */
	assert_int_equal(model->nr_events, 6);
	assert_int_equal(model->sample_bytes, PERIOD);
}

static void each_end_of_a_realloc_has_its_weight(void **state)
{
	const struct heap_totals *totals;

	put_sampled(10);
	put_weighted(10, 0x1000, 100, 40, 0);
	put_begin_realloc(10, 0x1000);
	assert_int_equal(heap__nr_blocks(process_of(10)->heap), 1);
	put_weighted(10, 0x4000, 200, 20, WIRE_ALLOC_REALLOC);
	totals = process__totals(process_of(10));
	assert_int_equal(totals->frees, 40);
	assert_int_equal(totals->live_blocks, 20);
	assert_int_equal(totals->live_bytes, 4000);
	/* It fails: as it was. */
	put_begin_realloc(10, 0x4000);
	put_weighted(10, 0, 1000, 4, WIRE_ALLOC_REALLOC);
	assert_int_equal(totals->failed_allocations, 4);
	assert_int_equal(totals->live_blocks, 20);
	/* To a block that is not recorded. */
	put_begin_realloc(10, 0x4000);
	put_weighted(10, 0, 0, 0, WIRE_ALLOC_REALLOC);
	assert_int_equal(totals->frees, 60);
	assert_int_equal(totals->live_blocks, 0);
	assert_int_equal(totals->live_bytes, 0);
	assert_int_equal(totals->allocations, 60);
}

static void frees_of_unknown_blocks_say_nothing(void **state)
{
	put_sampled(10);
	put_weighted(10, 0x1000, 100, 40, 0);
	for (unsigned i = 0; i < 1000; i++)
		put_free(10, 0x9000);
	/* Without its beginning. */
	put_weighted(10, 0x2000, 100, 40, WIRE_ALLOC_REALLOC);
	put_fork(10, 11, 0);
	put_free(11, 0x9000);
	put_free(11, 0x1000);
	put_exec(10);
	put_free(10, 0x9000);
	assert_int_equal(process__totals(process_of(10))->unknown_frees, 0);
	assert_int_equal(process__totals(process_of(11))->unknown_frees, 0);
	assert_int_equal(process__totals(process_of(11))->frees, 40);
	assert_int_equal(process__totals(process_of(11))->inherited_blocks, 80);
	assert_int_equal(process_of(11)->sample_bytes, PERIOD);
	/* The next program is watched whole. */
	put_target(10, "/bin/b", "b", 0);
	put_free(10, 0x9000);
	assert_int_equal(process__totals(process_of(10))->unknown_frees, 1);
	assert_int_equal(process_of(10)->sample_bytes, 0);
}

static void nothing_is_suspected_by_a_sample(void **state)
{
	for (uint32_t pid = 10; pid < 12; pid++) {
		if (pid == 10)
			put_sampled(pid);
		else
			put_target(pid, "/bin/a", "a", 0);
		for (unsigned i = 0; i < 100; i++)
			put_weighted(pid, 0x1000, 100, 40, 0);
		assert_int_equal(selfcheck__run(model, process_of(pid)).suspicious, pid != 10);
	}
}

static void who_looks_on_counts_weights(void **state)
{
	struct profile_process of;
	struct timeline_process line;
	size_t nr;

	put_sampled(10);
	put_weighted(10, 0x1000, 100, 40, 0);
	put_weighted(10, 0x2000, 200, 20, 0);
	thread = 12;
	put_free(10, 0x1000);
	thread = 0;
	put_weighted(10, 0, 100, 40, 0);
	of = profile__of(profile, process_of(10));
	assert_int_equal(of.nr_sites, 1);
	assert_amount(of.sites[0].costs.of[COST_TOTAL], 8000, 60);
	assert_amount(of.sites[0].costs.of[COST_FREED], 4000, 40);
	assert_amount(of.sites[0].costs.of[COST_LIVE], 4000, 20);
	assert_amount(of.sites[0].costs.of[COST_PEAK], 8000, 60);
	assert_amount(of.peak, 8000, 60);
	assert_int_equal(of.sites[0].costs.lifetime_ns, 40 * 2);
	assert_amount(sizes__of(sizes, process_of(10)).sum.total, 8000, 60);
	assert_amount(sizes__of(sizes, process_of(10)).sum.live, 4000, 20);
	line = timeline__of(timeline, process_of(10));
	assert_amount(line.born, 8000, 60);
	assert_int_equal(line.nr_frees, 40);
	assert_amount(line.peak, 8000, 60);
	assert_amount(activity__of(activity, process_of(10)).sum.by_others, 4000, 40);
	assert_int_equal(activity__of(activity, process_of(10)).sum.nr_failed, 40);
	assert_amount(samples__of(samples, process_of(10)).live, 4000, 20);
	assert_amount(slices__of(slices, process_of(10), &nr)[0].live, 4000, 20);
	assert_int_equal(nr, 1);
}

static void a_child_inherits_weights(void **state)
{
	put_sampled(10);
	put_weighted(10, 0x1000, 100, 40, 0);
	put_fork(10, 11, 0);
	assert_amount(sizes__of(sizes, process_of(11)).sum.live, 4000, 40);
	assert_amount(timeline__of(timeline, process_of(11)).inherited, 4000, 40);
	assert_amount(profile__of(profile, process_of(11)).peak, 4000, 40);
	assert_amount(activity__of(activity, process_of(11)).sum.live, 4000, 40);
	assert_amount(samples__of(samples, process_of(11)).live, 4000, 40);
	/* One was copied, not 40. */
	assert_int_equal(model->nr_copies_made, 1);
}

/* A day, so often that their sum has more than 64 bits. */
static void lifetimes_do_not_overflow(void **state)
{
	const uint64_t day_ns = 24ull * 3600 * NSEC_PER_SEC;
	const struct costs *costs;

	put_sampled(10);
	put_weighted(10, 0x1000, 1, 524288, 0);
	now_ns += day_ns - 1;
	put_free(10, 0x1000);
	costs = &profile__of(profile, process_of(10)).sites[0].costs;
	assert_true(costs->lifetime_ns > UINT64_MAX);
	assert_int_equal((uint64_t)(costs->lifetime_ns / costs->of[COST_FREED].blocks), day_ns);
}

/* The largest that is believed, often: sums have 64 bits and no more, and come back to 0. */
static void hostile_weights_do_no_harm(void **state)
{
	const struct heap_totals *totals;

	put_sampled(10);
	for (uint64_t i = 1; i < 100; i++)
		put_weighted(10, i * 0x1000, UINT32_MAX - i % 3, UINT32_MAX, 0);
	for (uint64_t i = 100; i < 200; i++)
		put_weighted(10, i * 0x1000, UINT64_MAX, UINT32_MAX, 0);
	for (uint64_t i = 1; i < 200; i++)
		put_free(10, i * 0x1000);
	totals = process__totals(process_of(10));
	assert_int_equal(totals->allocations, 99 * (uint64_t)HEAP_MAX_WEIGHT + 100);
	assert_int_equal(totals->frees, totals->allocations);
	assert_int_equal(totals->live_blocks, 0);
	assert_int_equal(totals->live_bytes, 0);
	assert_amount(sizes__of(sizes, process_of(10)).sum.live, 0, 0);
	assert_amount(profile__of(profile, process_of(10)).sites[0].costs.of[COST_LIVE], 0, 0);
}

/* More sizes than can be counted, with weights. */
static void frequent_sizes_are_found(void **state)
{
	struct sizes_process all;
	uint64_t nr_often[3] = { 0 }, nr = 0;

	put_sampled(10);
	srand(1);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned often = (unsigned)rand() % 10;
		uint64_t bytes = often < 3 ? often : 100 + (uint64_t)rand() % 50000;
		uint32_t weight = 1 + (uint32_t)rand() % 100;

		if (often < 3)
			nr_often[often] += weight;
		nr += weight;
		put_weighted(10, 0x1000, bytes, weight, 0);
	}
	all = sizes__of(sizes, process_of(10));
	assert_true(all.nr_exact <= SIZES_MAX_EXACT);
	assert_true(all.nr_missed > 0);
	assert_true(all.nr_missed <= nr / (SIZES_MAX_EXACT / 2));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(all.exact[i].bytes < 3);
		assert_true(all.exact[i].nr <= nr_often[all.exact[i].bytes]);
		assert_true(all.exact[i].nr + all.nr_missed >= nr_often[all.exact[i].bytes]);
	}
}

/* Limits are of one block. */
static void filters_are_of_the_block_itself(void **state)
{
	model->filter.min_bytes = 100;
	model->filter.max_bytes = 200;
	put_sampled(10);
	put_weighted(10, 0x1000, 99, 1000, 0);
	put_weighted(10, 0x2000, 100, 40, 0);
	put_weighted(10, 0x3000, 200, 20, 0);
	put_weighted(10, 0x4000, 201, 20, 0);
	assert_amount(sizes__of(sizes, process_of(10)).sum.total, 8000, 60);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_word_holds_both),
		TEST(totals_count_weights),
		TEST(each_end_of_a_realloc_has_its_weight),
		TEST(frees_of_unknown_blocks_say_nothing),
		TEST(nothing_is_suspected_by_a_sample),
		TEST(who_looks_on_counts_weights),
		TEST(a_child_inherits_weights),
		TEST(lifetimes_do_not_overflow),
		TEST(hostile_weights_do_no_harm),
		TEST(frequent_sizes_are_found),
		TEST(filters_are_of_the_block_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
