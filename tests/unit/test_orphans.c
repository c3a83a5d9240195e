// SPDX-License-Identifier: BSD-2-Clause
/* Which blocks are told of, and when. The stream says what time it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "report/orphans.h"
#include "stream_fixture.h"

#define PID 10

static struct model *model;
static struct eventlog *eventlog;
static struct orphans *orphans;
static char said[4096];

static void apply(const struct wire_head *record)
{
	assert_int_equal(model__apply(model, record), 0);
}

/* "+1000@5 " of a block at 0x1000, allocated at 5. */
static int take(const struct logged_event *event, void *data)
{
	static const char *const marks[] = { [LOGGED_ALLOC] = "+",	   [LOGGED_FREE] = "-",
					     [LOGGED_UNKNOWN_FREE] = "?", [LOGGED_REPLACED] = "!",
					     [LOGGED_FAILED] = "0",	   [LOGGED_EXEC] = "x",
					     [LOGGED_END] = "end" };
	size_t len = strlen(said);

	snprintf(said + len, sizeof(said) - len, "%s%s%llx@%llu ",
		 event->process->pid == PID ? "" : "child:", marks[event->kind],
		 (unsigned long long)event->addr, (unsigned long long)event->time_ns);
	return 0;
}

static void begin(bool at_end_only)
{
	const struct sym_options options = { 0 };

	model = model__new(&options);
	eventlog = eventlog__new(model, take, NULL);
	orphans = orphans__new(model, &(struct orphans_options){ .age_ns = 100,
								 .interval_ns = 50,
								 .at_end_only = at_end_only,
								 .log = eventlog });
	sink = apply;
	said[0] = '\0';
	now_ns = 1000;
	put_target(PID, "/bin/a", "a", 0);
}

static int tear_down(void **state)
{
	orphans__free(orphans);
	eventlog__free(eventlog);
	model__free(model);
	return 0;
}

static void has_said(const char *wanted)
{
	assert_int_equal(eventlog__drain(eventlog), 0);
	assert_string_equal(said, wanted);
	said[0] = '\0';
}

static void at(uint64_t time_ns)
{
	now_ns = time_ns - 1;
}

static void blocks_are_told_of_when_they_are_of_age(void **state)
{
	begin(false);
	put_alloc(PID, 0x1000, 8, 0); /* 1001 */
	at(1060);
	put_alloc(PID, 0x2000, 8, 0);
	at(1100);
	put_alloc(PID, 0x3000, 8, 0); /* looked at 1100: nothing is old enough */
	has_said("");
	at(1149);
	put_alloc(PID, 0x4000, 8, 0);
	has_said("");
	at(1150);
	put_alloc(PID, 0x5000, 8, 0);
	has_said("+1000@1001 ");
	/* The looks of 1200 and 1250 in one. */
	at(1299);
	put_free(PID, 0x5000);
	has_said("+2000@1060 +3000@1100 +4000@1149 +5000@1150 -5000@1299 ");
	orphans__tick(orphans, 5000);
	has_said("");
	put_end(PID, WIRE_END_EXITED, 0);
	has_said("end0@1300 ");
	orphans__finish(orphans);
	has_said("");
}

static void what_is_freed_in_time_is_never_told_of(void **state)
{
	begin(false);
	put_alloc(PID, 0x1000, 8, 0);
	at(1140);
	put_free(PID, 0x1000);
	/* Old at the look of 1150, and freed after it: both are told. */
	put_alloc(PID, 0x2000, 8, 0); /* 1141 */
	at(1270);
	put_free(PID, 0x2000);
	has_said("+2000@1141 -2000@1270 ");
	assert_int_equal(
		orphans__count(orphans, model__process(model, PID)).retracted.blocks, 1);
}

static void time_passes_without_events(void **state)
{
	begin(false);
	put_alloc(PID, 0x1000, 8, 0);
	orphans__tick(orphans, 1099);
	has_said("");
	orphans__tick(orphans, 1101);
	has_said("");
	orphans__tick(orphans, 1150);
	has_said("+1000@1001 ");
	/* It comes late: by the clock it is old already. */
	at(1050);
	put_alloc(PID, 0x2000, 8, 0);
	has_said("+2000@1050 ");
	put_free(PID, 0x2000);
	has_said("-2000@1051 ");
}

static void the_end_tells_of_all(void **state)
{
	begin(false);
	put_alloc(PID, 0x2000, 8, 0);
	put_alloc(PID, 0x1000, 16, 0);
	put_free(PID, 0x9000);
	put_end(PID, WIRE_END_EXITED, 0);
	has_said("?9000@1003 +2000@1001 +1000@1002 end0@1004 ");
	assert_int_equal(orphans__count(orphans, model__process(model, PID)).young.bytes, 24);
	assert_int_equal(orphans__count(orphans, model__process(model, PID)).nr_unknown_frees, 1);
}

static void a_process_that_lives_on_is_told_of_once(void **state)
{
	begin(false);
	put_alloc(PID, 0x1000, 8, 0);
	at(1200);
	put_alloc(PID, 0x2000, 8, 0);
	orphans__finish(orphans);
	has_said("+1000@1001 +2000@1200 ");
	assert_int_equal(orphans__count(orphans, model__process(model, PID)).old.blocks, 1);
	assert_int_equal(orphans__count(orphans, model__process(model, PID)).young.blocks, 1);
}

static void only_what_is_left(void **state)
{
	begin(true);
	put_alloc(PID, 0x1000, 8, 0);
	put_alloc(PID, 0x2000, 8, 0);
	at(2000);
	put_free(PID, 0x1000);
	put_free(PID, 0x9000);
	orphans__tick(orphans, 3000);
	has_said("");
	orphans__finish(orphans);
	has_said("+2000@1002 ");
}

static void children_have_their_parents_blocks(void **state)
{
	begin(false);
	put_alloc(PID, 0x1000, 8, 0);
	at(1150);
	put_fork(PID, 11, 0);
	at(1160);
	put_free(PID, 0x1000);
	/* The look of 1150 sees both. */
	has_said("+1000@1001 child:+1000@1001 -1000@1160 ");
	at(1170);
	put_exec(11);
	has_said("child:x0@1170 ");
	put_alloc(11, 0x1000, 8, 0);
	at(1300);
	put_alloc(PID, 0x3000, 8, 0);
	has_said("child:+1000@1171 ");
	put_end(11, WIRE_END_EXITED, 0);
	has_said("child:end0@1301 ");
}

static void reallocs_are_two(void **state)
{
	struct wire_free begun = { .addr = 0x1000, .tid = PID, .func = 3,
				   .flags = WIRE_FREE_REALLOC };
	struct wire_alloc done = { .addr = 0x2000, .bytes = 9, .tid = PID, .func = 3,
				   .flags = WIRE_ALLOC_REALLOC };

	begin(false);
	put_alloc(PID, 0x1000, 8, 0);
	begun.time_ns = 1160;
	put_record(&begun, WIRE_FREE, sizeof(begun), PID);
	done.time_ns = 1170;
	put_record(&done, WIRE_ALLOC, sizeof(done), PID);
	has_said("+1000@1001 -1000@1170 ");
	orphans__finish(orphans);
	has_said("+2000@1170 ");
}

static void filters_apply(void **state)
{
	begin(false);
	model->filter.min_bytes = 100;
	put_alloc(PID, 0x1000, 8, 0);
	put_alloc(PID, 0x2000, 100, 0);
	put_free(PID, 0x9000);
	at(1150);
	put_alloc(PID, 0x3000, 8, 0);
	put_free(PID, 0x1000);
	put_free(PID, 0x2000);
	orphans__finish(orphans);
	has_said("+2000@1002 -2000@1152 ");
}

/* A clock that jumps, in every event, makes no work without bound: it takes seconds, not hours. */
static void a_stranger_does_not_keep_it_busy(void **state)
{
	begin(false);
	for (uint64_t i = 1; i <= 20000; i++)
		put_alloc(PID, i << 12, 8, 0);
	for (uint64_t i = 0; i < 100000; i++) {
		now_ns += 1000;
		put_alloc(PID, i << 12 | 1 << 8, 8, 0);
		said[0] = '\0';
	}
	assert_int_equal(process__totals(model__process(model, PID))->live_blocks, 120000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(blocks_are_told_of_when_they_are_of_age, tear_down),
		cmocka_unit_test_teardown(what_is_freed_in_time_is_never_told_of, tear_down),
		cmocka_unit_test_teardown(time_passes_without_events, tear_down),
		cmocka_unit_test_teardown(the_end_tells_of_all, tear_down),
		cmocka_unit_test_teardown(a_process_that_lives_on_is_told_of_once, tear_down),
		cmocka_unit_test_teardown(only_what_is_left, tear_down),
		cmocka_unit_test_teardown(children_have_their_parents_blocks, tear_down),
		cmocka_unit_test_teardown(reallocs_are_two, tear_down),
		cmocka_unit_test_teardown(filters_apply, tear_down),
		cmocka_unit_test_teardown(a_stranger_does_not_keep_it_busy, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
