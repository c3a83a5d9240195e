// SPDX-License-Identifier: BSD-2-Clause
/* The walker at its limits: many frames, the ends of memory and of mappings, return probes. */
#include "walk_fixture.h"

#define CODE  0x400000ull
#define STACK 0x7ff000000000ull
#define WORDS 4096

enum { PLAIN, LAST, NR_FUNCTIONS };

static uint64_t stack[WORDS];

static uint64_t in(unsigned function)
{
	return CODE + function * 0x100 + 0x20;
}

/* A function whose frame is one word, and the outermost one. */
static void map_code(void)
{
	struct unwind_rule rules[NR_FUNCTIONS] = {
		[PLAIN] = { .cfa = UNWIND_CFA_RSP, .cfa_offset = 8 },
		[LAST] = { .cfa = UNWIND_CFA_END },
	};
	struct unwind_row rows[] = { { 0, PLAIN, 0 }, { 0x100, LAST, 0 } };
	struct unwind_table table = { 0, rows, NR_FUNCTIONS, rules, NR_FUNCTIONS };

	unwind_space__map(&fixture.space, CODE, CODE + 0x200, 0,
			   unwind_tables__add(&fixture.tables, &table));
	unwind_space__publish(&fixture.space);
	fixture.memory[0] = (struct fixture_memory){ STACK, stack, sizeof(stack) };
}

/* nr frames of PLAIN, then LAST. */
static void walk_deep(unsigned nr)
{
	for (unsigned i = 0; i < WORDS; i++)
		stack[i] = i + 1 < nr ? in(PLAIN) : in(LAST);
	walk_from(nr ? in(PLAIN) : in(LAST), STACK, 0, true);
}

static void as_many_frames_as_there_is_room(void **state)
{
	map_code();
	for (unsigned nr = 0; nr < WIRE_MAX_FRAMES; nr++) {
		walk_deep(nr);
		assert_int_equal(walk.status, UNWIND_COMPLETE);
		assert_int_equal(walk.nr_frames, nr + 1);
	}
	/* One reads the address that ends it, but has no room left. */
	for (unsigned nr = WIRE_MAX_FRAMES; nr < 1000; nr += 97) {
		walk_deep(nr);
		assert_int_equal(walk.status, UNWIND_CUT);
		assert_int_equal(walk.nr_frames, WIRE_MAX_FRAMES);
		assert_int_equal(walk.frames[WIRE_MAX_FRAMES - 1], in(PLAIN));
	}
	/* 127 and a return address of 0 are a whole stack. */
	walk_deep(1000);
	stack[WIRE_MAX_FRAMES - 1] = 0;
	walk_from(in(PLAIN), STACK, 0, true);
	assert_int_equal(walk.status, UNWIND_COMPLETE);
	assert_int_equal(walk.nr_frames, WIRE_MAX_FRAMES);
}

/* A piece that crosses the end of memory cannot be read, smaller ones can. */
static void near_the_end_of_memory(void **state)
{
	map_code();
	for (unsigned words = 1; words < 3 * UNWIND_PIECE / 8; words++) {
		fixture.memory[0].len = 8ull * words;
		walk_deep(min(words, 126u));
		assert_int_equal(walk.status, UNWIND_COMPLETE);
		assert_int_equal(walk.nr_frames, min(words, 126u) + 1);
		/* Never a read a word: the last piece is made of eight, and of single ones. */
		assert_true(fixture.nr_reads <=
			    8 * words / UNWIND_PIECE + UNWIND_PIECE / 64 * 2 + 3 * 8);
		walk_deep(words + 1);
		assert_int_equal(walk.status, words < WIRE_MAX_FRAMES ? UNWIND_LOST : UNWIND_CUT);
	}
}

/* Memory that begins anywhere, and a stack that reaches over its page into the next mapping. */
static void at_odd_addresses(void **state)
{
	map_code();
	for (unsigned skip = 0; skip < 64; skip++) {
		fixture.memory[0].address = STACK;
		fixture.memory[0].len = 8 * 64 + skip;
		fixture.memory[1].address = STACK + 8 * 64 + skip;
		fixture.memory[1].bytes = (uint8_t *)stack + 8 * 64 + skip;
		fixture.memory[1].len = 8 * 64;
		walk_deep(100);
		/* A word in two mappings is not read in two parts, as the kernel would. */
		assert_int_equal(walk.status, skip % 8 ? UNWIND_LOST : UNWIND_COMPLETE);
		assert_int_equal(walk.nr_frames, skip % 8 ? 65 + skip / 8 : 101);
	}
}

/* Return addresses that a return probe replaced by its trampoline, which is in no mapping. */
static void over_trampolines(void **state)
{
	const uint64_t trampoline = 0x7fffffffe000;

	map_code();
	walk_deep(10);
	stack[4] = trampoline;
	fixture.hijacked_slot = STACK + 8 * 4;
	fixture.original_return = in(PLAIN) + 1;
	walk_from(in(PLAIN), STACK, 0, true);
	assert_int_equal(walk.status, UNWIND_COMPLETE);
	assert_int_equal(walk.nr_frames, 11);
	assert_int_equal(walk.frames[5], in(PLAIN) + 1);
	/* Nothing is pending there; what was there leads nowhere, or out of the address space. */
	fixture.hijacked_slot = STACK;
	walk_from(in(PLAIN), STACK, 0, true);
	assert_int_equal(walk.status, UNWIND_UNKNOWN);
	assert_int_equal(walk.nr_frames, 5);
	fixture.hijacked_slot = STACK + 8 * 4;
	fixture.original_return = trampoline;
	walk_from(in(PLAIN), STACK, 0, true);
	assert_int_equal(walk.status, UNWIND_UNKNOWN);
	fixture.original_return = 1ull << 63;
	walk_from(in(PLAIN), STACK, 0, true);
	assert_int_equal(walk.status, UNWIND_UNKNOWN);
	assert_int_equal(walk.nr_frames, 5);
	/* An interrupted instruction is no return. */
	fixture.original_return = in(LAST);
	walk_from(trampoline, STACK + 8 * 5, 0, false);
	assert_int_equal(walk.status, UNWIND_UNKNOWN);
	assert_int_equal(walk.nr_frames, 0);
}

/* Rules found once are used again, but not when the tables have changed meanwhile. */
static void rules_at_hand(void **state)
{
	static struct unwind kept;

	map_code();
	memset(stack, 0, sizeof(stack));
	stack[0] = in(LAST);
	for (int i = 0; i < 3; i++) {
		unwind__begin(&kept, &fixture, in(PLAIN), STACK, 0, 1);
		while (kept.status == UNWIND_GOING)
			kept.status = unwind__step(&kept, &fixture);
		assert_int_equal(kept.status, i < 2 ? UNWIND_COMPLETE : UNWIND_UNKNOWN);
		assert_int_equal(kept.nr_frames, 2);
		unwind_space__map(&fixture.space, CODE + 0x100, CODE + 0x200, 0,
				   UNWIND_MODULE_UNKNOWN);
		if (i == 1)
			unwind_space__publish(&fixture.space);
	}
}

/* A call that is the last instruction of its function returns to the next one, or past the mapping.
 */
static void return_addresses_at_borders(void **state)
{
	map_code();
	memset(stack, 0, sizeof(stack));
	stack[0] = CODE + 0x100;
	walk_from(in(PLAIN), STACK, 0, true);
	assert_int_equal(walk.nr_frames, 2);
	assert_int_equal(walk.sp, STACK + 16); /* went on by PLAIN's rule */
	stack[0] = CODE + 0x200;
	walk_from(in(PLAIN), STACK, 0, true);
	assert_int_equal(walk.nr_frames, 2);
	assert_int_equal(walk.status, UNWIND_COMPLETE);
	assert_int_equal(walk.sp, STACK + 8); /* ended by LAST's */
	stack[0] = CODE;
	walk_from(in(PLAIN), STACK, 0, true);
	assert_int_equal(walk.nr_frames, 1);
	assert_int_equal(walk.status, UNWIND_UNKNOWN);
	/* The same addresses, interrupted. */
	walk_from(CODE + 0x100, STACK, 0, false);
	assert_int_equal(walk.status, UNWIND_COMPLETE);
	assert_int_equal(walk.nr_frames, 1);
	walk_from(CODE + 0x200, STACK, 0, false);
	assert_int_equal(walk.status, UNWIND_UNKNOWN);
	assert_int_equal(walk.nr_frames, 0);
	stack[0] = 0;
	walk_from(CODE, STACK, 0, false);
	assert_int_equal(walk.status, UNWIND_COMPLETE);
	assert_int_equal(walk.nr_frames, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(as_many_frames_as_there_is_room),
		TEST(near_the_end_of_memory),
		TEST(at_odd_addresses),
		TEST(over_trampolines),
		TEST(rules_at_hand),
		TEST(return_addresses_at_borders),
	};

	return cmocka_run_group_tests_name("walks_limits", tests, NULL, NULL);
}
