// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "observed.h"
#include "report/timeline.h"

static struct timeline *timeline;

static int set_up(void **state)
{
	begin_model();
	timeline = timeline__new(model);
	return 0;
}

static int tear_down(void **state)
{
	timeline__free(timeline);
	model__free(model);
	return 0;
}

static struct timeline_process line_of(uint32_t pid)
{
	return timeline__of(timeline, process_of(pid));
}

static void what_happens_is_in_its_bucket(void **state)
{
	struct timeline_process line;

	put_target(10, "/bin/a", "a", 0);
	put_alloc(10, 0x1000, 100, 0);
	put_alloc(10, 0x2000, 50, 0);
	put_free(10, 0x1000);
	now_ns = 3500;
	put_alloc(10, 0x3000, 7, 0);
	line = line_of(10);
	assert_int_equal(line.begin_ns, 1000);
	assert_int_equal(line.width_ns, 1000);
	assert_int_equal(line.nr_buckets, 3);
	assert_int_equal(line.buckets[0].live.bytes, 50);
	assert_int_equal(line.buckets[0].live.blocks, 1);
	assert_int_equal(line.buckets[0].peak_bytes, 150);
	assert_int_equal(line.buckets[0].born.blocks, 2);
	assert_int_equal(line.buckets[0].nr_frees, 1);
	assert_int_equal(line.buckets[1].live.bytes, 50);
	assert_int_equal(line.buckets[1].peak_bytes, 50);
	assert_int_equal(line.buckets[1].born.blocks, 0);
	assert_int_equal(line.buckets[2].live.bytes, 57);
	assert_int_equal(line.buckets[2].born.bytes, 7);
	assert_int_equal(line.peak.bytes, 150);
	assert_int_equal(line.peak_ns, 1002);
}

/* The same events, kept whole. */
#define NR_EVENTS 20000

struct moment_of_heap {
	uint64_t time_ns, live_bytes, live_blocks, allocated;
};

static struct moment_of_heap history[NR_EVENTS];

static void live_for_a_while(uint64_t longest_pause_ns)
{
	uint64_t bytes[64] = { 0 }, live_bytes = 0, live_blocks = 0;

	for (unsigned i = 0; i < NR_EVENTS; i++) {
		unsigned slot = (unsigned)rand() % 64;
		uint64_t size = 1 + (uint64_t)rand() % 1000;

		now_ns += (uint64_t)rand() % longest_pause_ns;
		history[i].allocated = bytes[slot] ? 0 : size;
		if (bytes[slot]) {
			put_free(10, 0x1000 + slot * 16);
			live_bytes -= bytes[slot];
			live_blocks--;
			bytes[slot] = 0;
		} else {
			put_alloc(10, 0x1000 + slot * 16, size, 0);
			live_bytes += size;
			live_blocks++;
			bytes[slot] = size;
		}
		history[i].time_ns = now_ns;
		history[i].live_bytes = live_bytes;
		history[i].live_blocks = live_blocks;
	}
}

static void check_against_history(const struct timeline_process *line)
{
	uint64_t live_bytes = 0, live_blocks = 0;
	unsigned at = 0;

	for (size_t i = 0; i < line->nr_buckets; i++) {
		const struct timeline_bucket *bucket = &line->buckets[i];
		uint64_t end_ns = line->begin_ns + (i + 1) * line->width_ns;
		uint64_t peak = live_bytes, allocated = 0, nr_born = 0, nr_frees = 0;

		for (; at < NR_EVENTS && history[at].time_ns < end_ns; at++) {
			live_bytes = history[at].live_bytes;
			live_blocks = history[at].live_blocks;
			peak = max(peak, live_bytes);
			allocated += history[at].allocated;
			nr_born += history[at].allocated > 0;
			nr_frees += !history[at].allocated;
		}
		assert_int_equal(bucket->index, i);
		assert_int_equal(bucket->live.bytes, live_bytes);
		assert_int_equal(bucket->live.blocks, live_blocks);
		assert_int_equal(bucket->peak_bytes, peak);
		assert_int_equal(bucket->born.bytes, allocated);
		assert_int_equal(bucket->born.blocks, nr_born);
		assert_int_equal(bucket->nr_frees, nr_frees);
	}
	assert_int_equal(at, NR_EVENTS);
}

static void merging_loses_nothing(void **state)
{
	static const uint64_t pauses_ns[] = { 5, 1000, 100000, 50 * NSEC_PER_SEC };

	for (size_t i = 0; i < ARRAY_SIZE(pauses_ns); i++) {
		struct timeline_process line;

		if (i) {
			tear_down(state);
			set_up(state);
		}
		srand((unsigned)i);
		put_target(10, "/bin/a", "a", 0);
		live_for_a_while(pauses_ns[i]);
		line = line_of(10);
		assert_true(line.nr_buckets <= TIMELINE_MAX_BUCKETS);
		assert_true(line.nr_buckets > TIMELINE_MAX_BUCKETS / 2 - 2 ||
			    line.width_ns == 1000);
		check_against_history(&line);
		/* Asking changes nothing. */
		line = line_of(10);
		check_against_history(&line);
	}
}

static void strange_times_are_survived(void **state)
{
	struct timeline_process line;

	put_alloc(10, 0x1000, 5, 0);
	now_ns = UINT64_MAX - 2;
	put_alloc(10, 0x2000, 6, 0);
	now_ns = 0;
	put_alloc(10, 0x3000, 7, 0);
	put_free(10, 0x1000);
	put_end(10, WIRE_END_EXITED, 0);
	line = line_of(10);
	assert_true(line.nr_buckets <= TIMELINE_MAX_BUCKETS);
	assert_int_equal(line.born.bytes, 18);
	assert_int_equal(line.buckets[line.nr_buckets - 1].live.bytes, 13);
}

static void a_child_begins_with_its_parents_blocks(void **state)
{
	struct timeline_process line;

	put_target(10, "/bin/a", "a", 0);
	put_alloc(10, 0x1000, 100, 0);
	put_fork(10, 11, 0);
	now_ns = 5000;
	put_free(11, 0x1000);
	put_alloc(11, 0x2000, 30, 0);
	line = line_of(11);
	assert_int_equal(line.inherited.bytes, 100);
	assert_int_equal(line.buckets[0].live.bytes, 100);
	assert_int_equal(line.buckets[line.nr_buckets - 1].live.bytes, 30);
	assert_int_equal(line.peak.bytes, 100);
	assert_int_equal(line.born.blocks, 1);
	put_exec(11);
	line = line_of(11);
	assert_int_equal(line.inherited.bytes, 0);
	assert_int_equal(line.born.blocks, 0);
	assert_int_equal(line_of(10).peak.bytes, 100);
}

static void what_is_filtered_does_not_count(void **state)
{
	struct timeline_process line;

	model->filter.min_bytes = 10;
	put_target(10, "/bin/a", "a", 0);
	put_alloc(10, 0x1000, 9, 0);
	put_alloc(10, 0x2000, 10, 0);
	put_free(10, 0x1000);
	line = line_of(10);
	assert_int_equal(line.born.blocks, 1);
	assert_int_equal(line.nr_frees, 0);
	assert_int_equal(line.peak.bytes, 10);
}

static void nothing_at_all_has_a_timeline(void **state)
{
	assert_int_equal(timeline__of(timeline, model__first(model)).nr_buckets, 1);
	put_target(10, "/bin/a", "a", 0);
	assert_int_equal(line_of(10).nr_buckets, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_happens_is_in_its_bucket),   TEST(merging_loses_nothing),
		TEST(strange_times_are_survived),      TEST(a_child_begins_with_its_parents_blocks),
		TEST(what_is_filtered_does_not_count), TEST(nothing_at_all_has_a_timeline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
