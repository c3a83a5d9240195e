// SPDX-License-Identifier: BSD-2-Clause
/* The walker on stacks made by hand. */
#include "walk_fixture.h"

#define CODE	 0x400000ull
#define FUNCTION 0x100ull /* bytes of each */
#define STACK	 0x7ff000000000ull
#define WORDS	 1024

static uint64_t stack[WORDS];

static uint64_t slot(unsigned word)
{
	return STACK + 8ull * word;
}

/* An address inside function i. */
static uint64_t in(unsigned i)
{
	return CODE + i * FUNCTION + 0x18;
}

/* Function i has rule i throughout. */
static void map_functions(struct unwind_rule *rules, size_t nr)
{
	struct unwind_row rows[32];
	struct unwind_table table = {
		.base = 0x1000, .rows = rows, .nr_rows = nr, .rules = rules, .nr_rules = nr
	};

	for (size_t i = 0; i < nr; i++)
		rows[i] =
			(struct unwind_row){ .pc = (uint32_t)(i * FUNCTION), .rule = (uint16_t)i };
	unwind_space__map(&fixture.space, CODE, CODE + nr * FUNCTION, 0x1000,
			   unwind_tables__add(&fixture.tables, &table));
	unwind_space__publish(&fixture.space);
	memset(stack, 0xee, sizeof(stack));
	fixture.memory[0] = (struct fixture_memory){ STACK, stack, sizeof(stack) };
}

#define MAP(...)                                              \
	do {                                                  \
		struct unwind_rule rules[] = { __VA_ARGS__ }; \
		map_functions(rules, ARRAY_SIZE(rules));      \
	} while (0)

#define RSP(offset, ...)                                                   \
	{                                                                  \
		.cfa = UNWIND_CFA_RSP, .cfa_offset = (offset), __VA_ARGS__ \
	}
#define RBP(offset, ...)                                                   \
	{                                                                  \
		.cfa = UNWIND_CFA_RBP, .cfa_offset = (offset), __VA_ARGS__ \
	}
#define SAVED(offset) .rbp = UNWIND_RBP_SAVED, .rbp_offset = (offset)
#define END                           \
	{                             \
		.cfa = UNWIND_CFA_END \
	}
#define GAP                            \
	{                              \
		.cfa = UNWIND_CFA_NONE \
	}
#define UNFIT                                                  \
	{                                                      \
		.cfa = UNWIND_CFA_NONE, .rbp = UNWIND_RBP_LOST \
	}
#define LOST .rbp = UNWIND_RBP_LOST

#define EXPECT(how, ...)                                                      \
	do {                                                                  \
		const uint64_t expected[] = { __VA_ARGS__ };                  \
		assert_int_equal(walk.status, how);                           \
		assert_int_equal(walk.nr_frames, ARRAY_SIZE(expected));       \
		assert_memory_equal(walk.frames, expected, sizeof(expected)); \
	} while (0)

static void by_stack_pointer(void **state)
{
	MAP(RSP(24), RSP(8), END);
	stack[2] = in(1);
	stack[3] = in(2);
	walk_from(in(0), slot(0), 0, true);
	EXPECT(UNWIND_COMPLETE, in(0), in(1), in(2));
	assert_int_equal(fixture.nr_reads, 1);
}

static void by_frame_pointer(void **state)
{
	/* The first saves rbp, the second keeps it, the third finds its frame by it. */
	MAP(RSP(32, SAVED(-24)), RSP(8), RBP(16, SAVED(-16)), RBP(16), END);
	stack[1] = slot(300);
	stack[3] = in(1);
	stack[4] = in(2);
	stack[300] = slot(400);
	stack[301] = in(3);
	stack[401] = in(4);
	walk_from(in(0), slot(0), 0xbad, true);
	EXPECT(UNWIND_COMPLETE, in(0), in(1), in(2), in(3), in(4));
	assert_int_equal(walk.bp, slot(400));
}

/* main of a program that aligns its stack: the CFA was saved, and rbp stands beside it. */
static void by_saved_address(void **state)
{
	struct unwind_rule in_rbp = { .cfa = UNWIND_CFA_RBP_DEREF,
				      .cfa_offset = -8,
				      .rbp = UNWIND_RBP_AT_RBP };
	struct unwind_rule on_stack = { .cfa = UNWIND_CFA_RSP_DEREF,
					.cfa_offset = 16,
					.cfa_extra = -32 };

	MAP(in_rbp, on_stack, RBP(16), END);
	stack[9] = slot(31); /* at rbp - 8 */
	stack[10] = slot(90);
	stack[30] = in(1);
	stack[33] = slot(64); /* at rsp + 16 */
	stack[59] = in(2);
	stack[91] = in(3);
	walk_from(in(0), slot(2), slot(10), true);
	EXPECT(UNWIND_COMPLETE, in(0), in(1), in(2), in(3));
}

/* The second half of an entry of the procedure linkage table has pushed a word. */
static void by_linkage_table(void **state)
{
	uint64_t entry = CODE + 0x40;

	MAP({ .cfa = UNWIND_CFA_PLT }, END);
	stack[0] = stack[1] = in(1);
	for (unsigned offset = 0; offset < 16; offset++) {
		walk_from(entry + offset, slot(0), 0, false);
		EXPECT(UNWIND_COMPLETE, entry + offset + 1, in(1));
		assert_int_equal(walk.sp, offset < 11 ? slot(1) : slot(2));
	}
}

/* A signal met the first instruction of a function whose neighbour below has another rule. */
static void through_signal_frame(void **state)
{
	uint64_t interrupted = CODE + 3 * FUNCTION;

	MAP(RSP(16, LOST), { .cfa = UNWIND_CFA_SIGNAL }, RSP(800), RBP(16), END);
	stack[1] = in(1);
	stack[2 + UNWIND_SIGNAL_RBP / 8] = slot(700);
	stack[2 + UNWIND_SIGNAL_RSP / 8] = slot(600);
	stack[2 + UNWIND_SIGNAL_RIP / 8] = interrupted;
	stack[701] = in(4);
	walk_from(in(0), slot(0), slot(1), true);
	EXPECT(UNWIND_COMPLETE, in(0), in(1), interrupted + 1, in(4));
	/* The handler had a stack of its own, above. */
	walk_from(in(0), slot(0), slot(1), true);
	stack[2 + UNWIND_SIGNAL_RSP / 8] = STACK - 4096;
	walk_from(in(0), slot(0), slot(1), true);
	EXPECT(UNWIND_COMPLETE, in(0), in(1), interrupted + 1, in(4));
}

static void signal_frames_in_a_circle(void **state)
{
	MAP({ .cfa = UNWIND_CFA_SIGNAL });
	stack[UNWIND_SIGNAL_RSP / 8] = slot(0);
	stack[UNWIND_SIGNAL_RIP / 8] = in(0);
	walk_from(in(0), slot(0), 0, true);
	assert_int_equal(walk.status, UNWIND_CUT);
	assert_int_equal(walk.nr_frames, WIRE_MAX_FRAMES);
}

static void ends(void **state)
{
	MAP(RSP(8), END, GAP, UNFIT);
	stack[0] = in(1);
	walk_from(in(0), slot(0), 0, true);
	EXPECT(UNWIND_COMPLETE, in(0), in(1));
	stack[0] = in(2);
	walk_from(in(0), slot(0), 0, true);
	EXPECT(UNWIND_GAP, in(0), in(2));
	stack[0] = in(3);
	walk_from(in(0), slot(0), 0, true);
	EXPECT(UNWIND_UNKNOWN, in(0), in(3));
	/* A return address of 0, as some give to the first function of a thread. */
	stack[0] = 0;
	walk_from(in(0), slot(0), 0, true);
	EXPECT(UNWIND_COMPLETE, in(0));
	/* Nowhere: it may be code that was mapped just now. */
	stack[0] = CODE - 0x1000;
	walk_from(in(0), slot(0), 0, true);
	EXPECT(UNWIND_UNKNOWN, in(0));
	stack[0] = 1ull << 63;
	walk_from(in(0), slot(0), 0, true);
	EXPECT(UNWIND_UNKNOWN, in(0));
}

static void modules_without_rows(void **state)
{
	const uint64_t bare = 0x10000000, later = 0x20000000;

	MAP(RSP(8), END);
	unwind_space__map(&fixture.space, bare, bare + 4096, 0, 0);
	unwind_space__map(&fixture.space, later, later + 4096, 0, UNWIND_MODULE_UNKNOWN);
	unwind_space__publish(&fixture.space);
	stack[0] = bare + 1;
	walk_from(in(0), slot(0), 0, true);
	EXPECT(UNWIND_GAP, in(0), bare + 1);
	stack[0] = later + 1;
	walk_from(in(0), slot(0), 0, true);
	EXPECT(UNWIND_UNKNOWN, in(0), later + 1);
}

static void lost_frame_pointer(void **state)
{
	struct unwind_rule by_it = { .cfa = UNWIND_CFA_RBP_DEREF };

	MAP(RSP(8, LOST), RSP(8), RBP(16), RSP(16, SAVED(-16)), END, by_it);
	stack[0] = in(1);
	stack[1] = in(4);
	walk_from(in(0), slot(0), slot(8), true);
	EXPECT(UNWIND_COMPLETE, in(0), in(1), in(4)); /* nobody needed it */
	stack[1] = in(2);
	stack[9] = in(4);
	walk_from(in(0), slot(0), slot(8), true);
	EXPECT(UNWIND_LOST, in(0), in(1), in(2));
	stack[1] = in(5);
	stack[8] = slot(20);
	stack[19] = in(4);
	walk_from(in(0), slot(0), slot(8), true);
	EXPECT(UNWIND_LOST, in(0), in(1), in(5));
	/* Found again further out. */
	stack[1] = in(3);
	stack[2] = slot(8);
	stack[3] = in(2);
	walk_from(in(0), slot(0), 0, true);
	EXPECT(UNWIND_COMPLETE, in(0), in(1), in(3), in(2), in(4));
}

/* Code of a JIT compiler between two functions of files. */
static void through_generated_code(void **state)
{
	const uint64_t jit = 0x7e0000000000;

	MAP(RSP(8), RBP(16), END);
	unwind_space__map(&fixture.space, jit, jit + 4096, 0, UNWIND_MODULE_JIT);
	unwind_space__publish(&fixture.space);
	stack[0] = jit + 8;
	stack[4] = slot(10);
	stack[5] = jit + 16;
	stack[10] = slot(30);
	stack[11] = in(1);
	stack[31] = in(2);
	walk_from(in(0), slot(0), slot(4), true);
	EXPECT(UNWIND_COMPLETE, in(0), jit + 8, jit + 16, in(1), in(2));
	/* Its frame pointer is none: below the stack pointer, misaligned, the same again, nowhere.
	 */
	walk_from(in(0), slot(4), slot(0), true);
	assert_int_equal(walk.status, UNWIND_UNKNOWN);
	stack[4] = slot(0);
	walk_from(in(0), slot(0), slot(4), true);
	EXPECT(UNWIND_LOST, in(0), jit + 8, jit + 16);
	stack[4] = slot(4);
	walk_from(in(0), slot(0), slot(4), true);
	EXPECT(UNWIND_LOST, in(0), jit + 8, jit + 16);
	stack[4] = slot(10) + 4;
	walk_from(in(0), slot(0), slot(4), true);
	EXPECT(UNWIND_LOST, in(0), jit + 8, jit + 16);
	walk_from(in(0), slot(0), 1ull << 62, true);
	EXPECT(UNWIND_LOST, in(0), jit + 8);
}

static void frames_must_rise(void **state)
{
	struct unwind_rule saved = { .cfa = UNWIND_CFA_RSP_DEREF };

	MAP(RSP(0), RSP(-8), RSP(12), RBP(16), saved, END);
	for (unsigned i = 0; i < 3; i++) {
		stack[0] = stack[1] = in(5);
		walk_from(in(i), slot(1), 0, true);
		EXPECT(UNWIND_LOST, in(i));
	}
	walk_from(in(3), slot(2), slot(0), true);
	EXPECT(UNWIND_LOST, in(3));
	/* A circle: the saved address is that of its own slot. */
	stack[0] = slot(0);
	walk_from(in(4), slot(0), 0, true);
	EXPECT(UNWIND_LOST, in(4));
	/* Out of the address space at either end. */
	stack[0] = ~0ull << 3;
	walk_from(in(4), slot(0), 0, true);
	EXPECT(UNWIND_LOST, in(4));
	walk_from(in(3), slot(0), ~0ull - 15, true);
	EXPECT(UNWIND_LOST, in(3));
}

/* The more words of the stack can be read, the further it goes, and never wrong. */
static void unreadable_anywhere(void **state)
{
	static const struct {
		unsigned words, nr_frames;
	} reach[] = { { 0, 1 }, { 4, 2 }, { 26, 3 }, { 302, 4 }, { 303, 5 }, { WORDS, 5 } };
	unsigned at = 0;

	MAP(RSP(32, SAVED(-24)), { .cfa = UNWIND_CFA_SIGNAL }, RBP(16, SAVED(-16)), RSP(8), END);
	stack[1] = slot(2);
	stack[3] = in(1);
	stack[4 + UNWIND_SIGNAL_RBP / 8] = slot(300);
	stack[4 + UNWIND_SIGNAL_RSP / 8] = slot(41);
	stack[4 + UNWIND_SIGNAL_RIP / 8] = in(2);
	stack[300] = 0;
	stack[301] = in(3);
	stack[302] = in(4);
	for (unsigned words = 0; words < WORDS; words++) {
		at += words == reach[at + 1].words;
		fixture.memory[0].len = 8ull * words + words % 8; /* a part of a word is none */
		walk_from(in(0), slot(0), 0, true);
		assert_int_equal(walk.nr_frames, reach[at].nr_frames);
		assert_int_equal(walk.status, words < 303 ? UNWIND_LOST : UNWIND_COMPLETE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(by_stack_pointer),
		TEST(by_frame_pointer),
		TEST(by_saved_address),
		TEST(by_linkage_table),
		TEST(through_signal_frame),
		TEST(signal_frames_in_a_circle),
		TEST(ends),
		TEST(modules_without_rows),
		TEST(lost_frame_pointer),
		TEST(through_generated_code),
		TEST(frames_must_rise),
		TEST(unreadable_anywhere),
	};

	return cmocka_run_group_tests_name("walks", tests, NULL, NULL);
}
