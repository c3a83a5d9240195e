// SPDX-License-Identifier: BSD-2-Clause
/* Walks of a thread that has walked before: the frames are those of a walk that knows nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mips_image.h"

#define NR_FUNCTIONS 12
#define MAX_FRAMES   80

static struct image image_memory, *const image = &image_memory;
static uint64_t cache_memory[1024];
static struct mips_cache cache;
static struct mips_last last;

static const struct mips_machine machines[] = {
	{ MIPS_O32, false, false }, { MIPS_O32, true, false }, { MIPS_N32, true, false },
	{ MIPS_N64, false, false }, { MIPS_N64, true, false },
};

struct function {
	uint32_t size, ra;   /* bytes, and how far below their end $ra is */
	bool by_fp;	     /* the frame is found by fp */
	mips_addr_t call[2]; /* return addresses in it */
};

static struct function functions[NR_FUNCTIONS];

/* Functions of frames of several sizes; from two places in each others are called. */
static void build(struct mips_machine machine, bool by_fp)
{
	image__begin(image, machine);
	for (unsigned i = 0; i < NR_FUNCTIONS; i++) {
		struct function *f = &functions[i];

		f->size = 32 + 16 * (i % 5);
		f->ra = i % 4 == 3 ? 24 : 8;
		f->by_fp = by_fp && i == 7;
		if (image__slot(image) == 4 && f->ra == 8)
			f->ra = 4;
		ADD(ADDIU(SP, SP, -(int)f->size), SAVE(RA, SP, f->size - f->ra));
		if (f->by_fp)
			ADD(SAVE(FP, SP, f->size - f->ra - image__slot(image)), MOVE(FP, SP),
			    image__subu(image, SP, SP, V0));
		for (unsigned j = 0; j < 2; j++) {
			ADD(JALR(T9), NOP);
			f->call[j] = image__here(image);
		}
		if (f->by_fp)
			ADD(MOVE(SP, FP), LOAD(FP, SP, f->size - f->ra - image__slot(image)));
		ADD(LOAD(RA, SP, f->size - f->ra), JR(RA), ADDIU(SP, SP, (int)f->size));
	}
	mips_cache__init(&cache, cache_memory, sizeof(cache_memory));
	image->unwind.cache = &cache;
	last = (struct mips_last){ .unwind = &image->unwind, .stack = image->window };
}

/*
 * The stack of functions that call each other: bits of choice tell which place in each, and the
 * innermost nr of them. Its frames, outermost last.
 */
static unsigned call(unsigned nr, uint32_t choice, mips_addr_t *frames)
{
	uint64_t sp = STACK + 0x8000;
	mips_addr_t pc = CALLER;

	image->cursor.fp = OLD_FP;
	frames[nr] = pc;
	for (unsigned i = 0; i < nr; i++) {
		const struct function *f = &functions[(i + choice / 64) % NR_FUNCTIONS];

		image__put_slot(image, sp - f->ra, pc);
		sp -= f->size;
		if (f->by_fp) {
			image__put_slot(image, sp + f->size - f->ra - image__slot(image),
					image->cursor.fp);
			image->cursor.fp = sp;
			sp -= 64;
		}
		pc = f->call[choice >> i % 32 & 1];
		frames[nr - 1 - i] = pc;
	}
	image->cursor.pc = pc;
	image->cursor.sp = sp;
	return nr + 1;
}

/* Walks cold, if that is to be learnt, and warm: whether that could be done. */
static bool walk(const mips_addr_t *expected, unsigned nr, bool learn)
{
	mips_addr_t frames[MAX_FRAMES];
	struct mips_trace trace;
	unsigned nr_frames;

	if (learn) {
		mips_unwind__walk(&image->unwind, &image->cursor, &image->window, frames,
				  MAX_FRAMES, &trace);
		assert_int_equal(trace.end, MIPS_END_BOTTOM);
		assert_int_equal(trace.nr_frames, nr);
		assert_memory_equal(frames, expected, nr * sizeof(*frames));
	}
	memset(frames, 0, sizeof(frames));
	nr_frames = mips_unwind__walk_warm(&last, image->cursor.pc, image->cursor.sp,
					   image->cursor.fp, frames, MAX_FRAMES);
	if (!nr_frames)
		return false;
	assert_int_equal(nr_frames, nr);
	if (last.serial && last.serial == last.known)
		assert_true(!frames[0]); /* not written */
	else
		assert_memory_equal(frames, expected, nr * sizeof(*frames));
	return true;
}

/* Every stack is the right one, whatever was walked before. */
static void any_order(void **state)
{
	uint32_t chance = 1;
	mips_addr_t frames[MAX_FRAMES];
	unsigned nr, nr_done = 0;

	for (unsigned i = 0; i < 2 * sizeof(machines) / sizeof(machines[0]); i++) {
		build(machines[i / 2], i % 2);
		for (unsigned j = 0; j < 4000; j++) {
			chance = chance * 1103515245 + 12345;
			/* Often the one before, or one that begins as it. */
			nr = call(chance >> 28 & 7, chance >> 16 & 0x35, frames);
			last.known = j % 3 ? last.serial : 0;
			nr_done += walk(frames, nr, j < 2000);
		}
	}
	assert_in_range(nr_done, 30000, 40000);
}

/* One that repeats is told from others by its words alone. */
static void same_again(void **state)
{
	mips_addr_t frames[MAX_FRAMES], others[MAX_FRAMES];
	unsigned nr;

	for (unsigned i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		build(machines[i], false);
		nr = call(10, 0x155, frames);
		for (unsigned j = 0; j < 4; j++)
			assert_true(walk(frames, nr, true));
		assert_true(last.serial);
		last.known = last.serial;
		assert_true(walk(frames, nr, false));
		assert_int_equal(last.serial, last.known);
		/* Each word of it changes, and back. */
		for (unsigned k = 1; k < 10; k++) {
			assert_int_equal(call(10, 0x155 ^ 1u << (9 - k), others), nr);
			assert_true(walk(others, nr, true));
			assert_true(last.serial != last.known);
			call(10, 0x155, frames);
			for (unsigned j = 0; j < 3; j++)
				assert_true(walk(frames, nr, false));
			assert_true(last.serial && last.serial != last.known);
			last.known = last.serial;
		}
	}
}

/* What was learnt before code was unloaded is not used. */
static void generations(void **state)
{
	mips_addr_t frames[MAX_FRAMES];
	unsigned nr;

	build(machines[0], false);
	nr = call(6, 0, frames);
	for (unsigned j = 0; j < 4; j++)
		assert_true(walk(frames, nr, true));
	mips_cache__invalidate(&cache);
	assert_false(walk(frames, nr, false));
	assert_true(walk(frames, nr, true));
}

/* Deeper ones than are kept. */
static void deep(void **state)
{
	mips_addr_t frames[MAX_FRAMES];

	for (unsigned nr = MIPS_LAST_FRAMES - 2; nr < MIPS_LAST_FRAMES + 2; nr++) {
		build(machines[0], false);
		call(nr, 0, frames);
		for (unsigned j = 0; j < 5; j++)
			assert_true(walk(frames, nr + 1, true));
		assert_int_equal(!last.serial, nr + 1 > MIPS_LAST_FRAMES);
	}
}

/* As many as there is room for, marked. */
static void no_room(void **state)
{
	mips_addr_t frames[MAX_FRAMES], some[MAX_FRAMES];
	unsigned nr;

	for (unsigned by_fp = 0; by_fp < 2; by_fp++) {
		build(machines[0], by_fp);
		nr = call(20, 0, frames);
		assert_true(walk(frames, nr, true));
		for (unsigned max = nr - 1; max > 0; max--) {
			last.known = last.serial;
			assert_int_equal(mips_unwind__walk_warm(&last, image->cursor.pc,
								image->cursor.sp, image->cursor.fp,
								some, max),
					 max);
			assert_true(last.is_cut && !last.serial);
			assert_memory_equal(some, frames, max * sizeof(*frames));
		}
		assert_true(walk(frames, nr, false));
		assert_false(last.is_cut);
	}
}

/* Where it cannot be done, and again when it can. */
static void failures(void **state)
{
	mips_addr_t frames[MAX_FRAMES];
	unsigned nr;

	build(machines[0], false);
	nr = call(5, 0, frames);
	for (unsigned j = 0; j < 100; j++)
		assert_false(walk(frames, nr, false));
	assert_true(walk(frames, nr, true));
	assert_true(walk(frames, nr, false));
	/* A frame that would leave the stack. */
	nr = call(5, 0, frames);
	last.stack.hi = image->cursor.sp + functions[4].size + 4;
	last.pc = 0;
	assert_false(walk(frames, nr, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order),   cmocka_unit_test(same_again),
		cmocka_unit_test(generations), cmocka_unit_test(deep),
		cmocka_unit_test(no_room),     cmocka_unit_test(failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
