// SPDX-License-Identifier: BSD-2-Clause
/* mips-unwind's walks: signal frames, where stacks end, the cache, and memory that is damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "internal.h"
#include "mips_image.h"

static struct image image_memory;
static mips_addr_t frames[64];
static struct mips_trace trace;

static void walk(struct image *image)
{
	mips_unwind__walk(&image->unwind, &image->cursor, &image->window, frames, 64, &trace);
}

/* The kernel's frames: where the sigcontext is, its registers and its pc. */
static const struct {
	struct mips_machine machine;
	int16_t number;
	uint32_t context, regs, pc;
} signals[] = {
	{ { MIPS_O32, false, false }, 4119, 24, 16, 8 },
	{ { MIPS_O32, true, false }, 4119, 24, 16, 8 },
	{ { MIPS_O32, false, false }, 4193, 176, 16, 8 },
	{ { MIPS_O32, true, true }, 4193, 176, 16, 8 },
	{ { MIPS_N32, false, false }, 6211, 176, 0, 576 },
	{ { MIPS_N32, true, false }, 6211, 176, 0, 576 },
	{ { MIPS_N64, false, true }, 5211, 192, 0, 576 },
	{ { MIPS_N64, true, false }, 5211, 192, 0, 576 },
};

/* A handler's frame, the kernel's above it, and then a function that was interrupted at `at`. */
static void build_signal(struct image *image, unsigned i, uint64_t frame, uint64_t sp)
{
	uint64_t context = frame + signals[i].context, regs = context + signals[i].regs;
	uint64_t trampoline, interrupted;

	image__begin(image, signals[i].machine);
	trampoline = image__here(image);
	ADD(LI(V0, signals[i].number), SYSCALL);
	interrupted = image__here(image) + 6 * 4;
	ADD(PROLOGUE(64), JALR(T9), NOP, NOP, NOP, EPILOGUE(64));
	ADD(PROLOGUE(48));
	image__call(image);
	ADD(EPILOGUE(48));
	image->cursor.sp = frame - 48;
	image__put_slot(image, frame - image__slot(image), trampoline);
	image__put_slot(image, frame - 2 * image__slot(image), 0);
	image__put(image, context + signals[i].pc, interrupted, 8);
	image__put(image, regs + 8 * SP, sp, 8);
	image__put(image, regs + 8 * FP, OLD_FP, 8);
	image__put(image, regs + 8 * RA, CODE + 400, 8);
	image__put_slot(image, sp + RA_AT(64), CALLER);
}

static void expect_signal(struct image *image, uint64_t interrupted)
{
	walk(image);
	assert_int_equal(trace.end, MIPS_END_BOTTOM);
	assert_int_equal(trace.nr_frames, 3);
	assert_true(frames[0] == image->cursor.pc && frames[1] == interrupted &&
		    frames[2] == CALLER);
	assert_int_equal(trace.nr_exact, 1);
	assert_int_equal(trace.exact[0], 1);
}

static void signal_frames(void **state)
{
	static uint64_t memory[256];
	struct image *image = &image_memory;
	struct mips_cache cache;

	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		build_signal(image, i, STACK + 0x2000, STACK + 0x3000);
		expect_signal(image, CODE + 14 * 4);
		mips_cache__init(&cache, memory, sizeof(memory));
		image->unwind.cache = &cache;
		expect_signal(image, CODE + 14 * 4);
		expect_signal(image, CODE + 14 * 4);
	}
}

/* The handler runs on a stack of its own, at higher addresses, which the window does not show. */
static void signal_on_another_stack(void **state)
{
	struct image *image = &image_memory;

	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		build_signal(image, i, STACK + 0x9000, STACK + 0x3000);
		image->window.hi = STACK + 0x8000;
		expect_signal(image, CODE + 14 * 4);
		/* On one stack it is no rise. */
		image->window.hi = STACK + STACK_SIZE;
		walk(image);
		assert_int_equal(trace.nr_frames, 1);
		assert_int_equal(trace.end, MIPS_END_STACK);
	}
}

static void build_plain(struct image *image)
{
	image__begin(image, (struct mips_machine){ MIPS_O32, false, false });
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(EPILOGUE(64));
	image__put_slot(image, image->cursor.sp + 60, CALLER);
}

static void expect_end(struct image *image, uint64_t ra, enum mips_end end)
{
	image__put_slot(image, image->cursor.sp + 60, ra);
	walk(image);
	assert_int_equal(trace.nr_frames, 1);
	assert_int_equal(trace.end, end);
	assert_string_not_equal(mips_unwind__end_name(end), "unknown");
}

static void ends(void **state)
{
	struct image *image = &image_memory;

	build_plain(image);
	expect_end(image, CALLER | 1, MIPS_END_ISA);
	expect_end(image, CALLER + 2, MIPS_END_CODE);
	expect_end(image, 0, MIPS_END_CODE);
	expect_end(image, STACK + 0x100, MIPS_END_CODE);
	expect_end(image, CALLER + 4, MIPS_END_CALL);
	/* No room. */
	image__put_slot(image, image->cursor.sp + 60, CALLER);
	mips_unwind__walk(&image->unwind, &image->cursor, &image->window, frames, 1, &trace);
	assert_int_equal(trace.nr_frames, 1);
	assert_int_equal(trace.end, MIPS_END_FULL);
	/* The stack ends within the frame. */
	image->window.hi = image->cursor.sp + 56;
	expect_end(image, CALLER, MIPS_END_STACK);
	image->window.lo = image->window.hi = 0;
	image->cursor.sp = STACK + STACK_SIZE - 32;
	expect_end(image, CALLER, MIPS_END_MEMORY);
	image->cursor.sp += 2;
	walk(image);
	assert_int_equal(trace.end, MIPS_END_STACK);
	assert_int_equal(trace.nr_frames, 0);
}

static unsigned nr_reads;

static bool count_reads(void *env, mips_addr_t address, void *to, size_t nr_bytes)
{
	nr_reads++;
	return image__read(env, address, to, nr_bytes);
}

static bool endless_code(void *env, mips_addr_t pc, struct mips_code *code)
{
	*code = (struct mips_code){ 0, CODE * 2, NULL };
	return true;
}

static bool endless_nops(void *env, mips_addr_t address, void *to, size_t nr_bytes)
{
	nr_reads++;
	memset(to, 0, nr_bytes);
	return address < STACK && address != CODE ? true : image__read(env, address, to, nr_bytes);
}

/* Instructions without an end, read one by one: the budgets hold. */
/* What calls a thread's function, and then one that ends the thread, as if it came back. */
static void ends_at_a_threads_start(void **state)
{
	struct image *image = &image_memory;

	for (unsigned variant = 0; variant < 4; variant++) {
		bool is_o32 = variant != 3;
		unsigned argument = variant == 2 ? 8 : is_o32 ? 4 : 8;

		image__begin(image, (struct mips_machine){ is_o32 ? MIPS_O32 : MIPS_N64,
							   variant == 1, false });
		ADD(SAVE(GP, SP, 28), LOAD(T9, SP, 0), JALR(T9), LOAD(A0, SP, argument));
		image->cursor.pc = image__here(image);
		ADD(LOAD(GP, SP, 28), MOVE(A0, V0), LOAD(T9, GP, 100), JALR(T9), NOP, NOP);
		ADD(PROLOGUE(64), EPILOGUE(64));
		walk(image);
		assert_int_equal(trace.nr_frames, 1);
		/* Elsewhere the words may be variables. */
		assert_true((trace.end == MIPS_END_BOTTOM) == (variant < 2));
	}
}

static void budgets(void **state)
{
	struct image *image = &image_memory;

	build_plain(image);
	image->unwind.memory.read = endless_nops;
	image->unwind.memory.code = endless_code;
	image->cursor.pc = CALLER;
	nr_reads = 0;
	walk(image);
	assert_int_equal(trace.nr_frames, 1);
	assert_int_equal(trace.end, MIPS_END_SCAN);
	assert_true(nr_reads > MIPS_BACKWARD_BUDGET);
	assert_true(nr_reads < MIPS_FORWARD_BUDGET + MIPS_BACKWARD_BUDGET + 100);
}

static void cache_is_a_lookup(void **state)
{
	static uint64_t memory[256];
	struct image *image = &image_memory;
	struct mips_cache cache;

	build_plain(image);
	mips_cache__init(&cache, memory, sizeof(memory));
	image->unwind.cache = &cache;
	image->unwind.memory.read = count_reads;
	walk(image);
	nr_reads = 0;
	walk(image);
	assert_int_equal(trace.nr_frames, 2);
	assert_int_equal(trace.end, MIPS_END_BOTTOM);
	assert_int_equal(nr_reads, 0);
	/* What is known of a frame does not take it beyond its stack. */
	image->window.hi = image->cursor.sp + 56;
	walk(image);
	assert_int_equal(trace.nr_frames, 1);
	assert_int_equal(trace.end, MIPS_END_STACK);
	image->window.hi = STACK + STACK_SIZE;
	/* Another program is there now, as far as the cache knows. */
	memset(image->code, 0, sizeof(image->code));
	walk(image);
	assert_int_equal(trace.nr_frames, 2);
	mips_cache__invalidate(&cache);
	walk(image);
	assert_int_equal(trace.nr_frames, 0);
	/* Too small to be one. */
	mips_cache__init(&cache, memory, 1023);
	assert_null(cache.entries);
}

/* Random words everywhere: nothing is found that does not pass the tests, and it ends. */
static void damage(void **state)
{
	struct image *image = &image_memory;

	srand(1);
	for (unsigned round = 0; round < 300; round++) {
		build_plain(image);
		for (uint32_t i = 16; i < NR_WORDS; i++)
			image__set(image, i, (uint32_t)rand() << 16 ^ (uint32_t)rand());
		for (uint32_t i = 0; i < STACK_SIZE; i += 4)
			image__put(image, STACK + i, CODE + (uint32_t)rand() % (NR_WORDS * 4), 4);
		image->unwind.machine.r6 = round & 1;
		image->cursor.exact = round & 2;
		image->cursor.pc = CODE + 64 + (uint32_t)rand() % 4000 * 4;
		image->cursor.ra = CALLER;
		walk(image);
		for (unsigned i = 0; i < trace.nr_frames; i++) {
			assert_true(frames[i] % 4 == 0 && frames[i] >= CODE &&
				    frames[i] < CODE + sizeof(image->code));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signal_frames),
		cmocka_unit_test(signal_on_another_stack),
		cmocka_unit_test(ends),
		cmocka_unit_test(ends_at_a_threads_start),
		cmocka_unit_test(budgets),
		cmocka_unit_test(cache_is_a_lookup),
		cmocka_unit_test(damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
