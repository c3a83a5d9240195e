// SPDX-License-Identifier: BSD-2-Clause
/* mips-unwind on functions as compilers write them, in every ABI and byte order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "mips_image.h"

static void plain(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(NOP, EPILOGUE(64));
	image->frame = 64;
}

static void early_return(struct image *image)
{
	ADD(PROLOGUE(64), BNE(A0, ZERO, 5), NOP, EPILOGUE(64));
	image__call(image);
	ADD(BREAK);
	image->frame = 64;
}

/* $ra holds another value, which is spilled beside it. */
static void ra_is_temporary(struct image *image)
{
	ADD(PROLOGUE(96), MOVE(RA, A0), SAVE(RA, SP, 16));
	image__call(image);
	ADD(LOAD(RA, SP, 16), IMMEDIATE(0x09, A0, RA, 1), EPILOGUE(96));
	image->frame = 96;
}

static void ra_is_temporary_backward(struct image *image)
{
	ADD(PROLOGUE(96), MOVE(RA, A0), SAVE(RA, SP, 16));
	image__call(image);
	ADD(BREAK);
	image->frame = 96;
}

static void tail_call(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(LOAD(T9, GP, 100), LOAD(RA, SP, RA_AT(64)), LOAD(FP, SP, FP_AT(64)), JR(T9),
	    ADDIU(SP, SP, 64));
	image->frame = 64;
}

static void tail_jump(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(LOAD(RA, SP, RA_AT(64)), LOAD(FP, SP, FP_AT(64)), B(-40), ADDIU(SP, SP, 64));
	image->frame = 64;
}

static void jump_table(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(JR(V0), NOP, LI(V0, 1), EPILOGUE(64));
	image->frame = 64;
}

/* The load in the slot is done only if the branch is taken: it must not be taken for the last. */
static void branch_likely(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(BNEL(V0, ZERO, 6), ADDIU(SP, SP, 128), EPILOGUE(64));
	image->frame = 64;
}

/* ... and must be, where the straight way ends. */
static void branch_likely_taken(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(BNEL(V0, ZERO, 2), LOAD(RA, SP, RA_AT(64)), BREAK, LOAD(FP, SP, FP_AT(64)), JR(RA),
	    ADDIU(SP, SP, 64));
	image->frame = 64;
}

static void with_alloca(struct image *image)
{
	ADD(PROLOGUE(64), MOVE(FP, SP), image__subu(image, SP, SP, V0));
	image__call(image);
	ADD(MOVE(SP, FP), EPILOGUE(64));
	image->frame = 64;
	image->lower = 208;
}

static void with_alloca_backward(struct image *image)
{
	ADD(PROLOGUE(64), MOVE(FP, SP), image__subu(image, SP, SP, V0));
	image__call(image);
	ADD(BREAK);
	image->frame = 64;
	image->lower = 208;
}

/* "addiu sp,fp,N" in one step. */
static void pointer_raised(struct image *image)
{
	ADD(PROLOGUE(64), MOVE(FP, SP), image__subu(image, SP, SP, V0));
	image__call(image);
	ADD(LOAD(RA, FP, RA_AT(64)), ADDIU(SP, FP, 48), LOAD(FP, SP, FP_AT(64) - 48), JR(RA),
	    ADDIU(SP, SP, 16));
	image->frame = 64;
	image->lower = 80;
}

/* 0x12340 bytes: two steps down, two up. */
static void large_frame(struct image *image)
{
	ADD(PROLOGUE(64), LUI(T0, 1), ORI(T0, T0, 0x2300), image__subu(image, SP, SP, T0));
	image__call(image);
	ADD(LUI(AT, 1), ORI(AT, AT, 0x2300), image__addu(image, SP, SP, AT), EPILOGUE(64));
	image->frame = 0x12340;
}

/* Its size is loaded too early to be found backward. */
static void large_frame_forward(struct image *image)
{
	ADD(LUI(T0, 1), ORI(T0, T0, 0x2300));
	for (unsigned i = 0; i < 64; i++)
		ADD(NOP);
	ADD(PROLOGUE(64), image__subu(image, SP, SP, T0));
	image__call(image);
	ADD(LUI(AT, 1), ORI(AT, AT, 0x2300), image__addu(image, SP, SP, AT), EPILOGUE(64));
	image->frame = 0x12340;
}

static void large_frame_backward(struct image *image)
{
	ADD(PROLOGUE(64), LUI(T0, 1), ORI(T0, T0, 0x2300), image__subu(image, SP, SP, T0));
	image__call(image);
	ADD(BREAK);
	image->frame = 0x12340;
}

/* The call is the last instruction; behind it is a function with a frame of another size. */
static void no_return(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(PROLOGUE(128), NOP, EPILOGUE(128));
	image->frame = 64;
}

/* ... and one whose first branch passes its prologue by. */
static void no_return_shrink_wrapped(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(BEQ(A0, ZERO, 11), NOP, PROLOGUE(128), JALR(T9), NOP, EPILOGUE(128), JR(RA), NOP,
	    JALR(T9), NOP, EPILOGUE(128));
	image->frame = 64;
}

/* ... and one that returns at once; what is behind it is of no concern. */
static void no_return_leaf(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(JR(RA), NOP, JALR(T9), NOP, EPILOGUE(128));
	image->frame = 64;
}

static void endless_loop(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(BNE(V0, ZERO, -3), NOP, B(-5), NOP, PROLOGUE(128), EPILOGUE(128));
	image->frame = 64;
}

static void loop_with_exit(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(BNE(V0, ZERO, 3), NOP, B(-5), NOP, EPILOGUE(64));
	image->frame = 64;
}

/* A system call with arguments on the stack. */
static void inline_syscall(struct image *image)
{
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(ADDIU(SP, SP, -32), LI(V0, 4000), SYSCALL, ADDIU(SP, SP, 32), EPILOGUE(64));
	image->frame = 64;
}

static void inline_syscall_backward(struct image *image)
{
	ADD(PROLOGUE(64), ADDIU(SP, SP, -32), LI(V0, 4000), SYSCALL, ADDIU(SP, SP, 32));
	image__call(image);
	ADD(BREAK);
	image->frame = 64;
}

static const struct {
	const char *name;
	void (*build)(struct image *image);
} shapes[] = {
	{ "plain", plain },
	{ "early return", early_return },
	{ "$ra is a temporary", ra_is_temporary },
	{ "$ra is a temporary, backward", ra_is_temporary_backward },
	{ "tail call", tail_call },
	{ "tail jump", tail_jump },
	{ "jump table", jump_table },
	{ "branch likely", branch_likely },
	{ "branch likely, taken", branch_likely_taken },
	{ "alloca", with_alloca },
	{ "alloca, backward", with_alloca_backward },
	{ "sp from fp", pointer_raised },
	{ "large frame", large_frame },
	{ "large frame, forward", large_frame_forward },
	{ "large frame, backward", large_frame_backward },
	{ "no return", no_return },
	{ "no return, then shrink-wrapped", no_return_shrink_wrapped },
	{ "no return, then a leaf", no_return_leaf },
	{ "endless loop", endless_loop },
	{ "loop with an exit", loop_with_exit },
	{ "system call in line", inline_syscall },
	{ "system call in line, backward", inline_syscall_backward },
};

static const struct mips_machine machines[] = {
	{ MIPS_O32, false, false }, { MIPS_O32, true, false },	{ MIPS_N32, false, false },
	{ MIPS_N32, true, false },  { MIPS_N64, false, false }, { MIPS_N64, true, false },
};

/* The frame as the function has left it, amid junk that looks like return addresses. */
static void lay_stack(struct image *image)
{
	uint64_t base = image->cursor.sp + image->lower, end = base + image->frame, at;

	for (at = image->cursor.sp; at < end + 1024; at += image__slot(image))
		image__put_slot(image, at, image->cursor.pc);
	image__put_slot(image, end - image__slot(image), CALLER);
	image__put_slot(image, end - 2 * image__slot(image), OLD_FP);
	image->cursor.fp = base;
}

static void expect_caller(struct image *image, const char *name)
{
	mips_addr_t frames[8];
	struct mips_trace trace;

	mips_unwind__walk(&image->unwind, &image->cursor, &image->window, frames, 8, &trace);
	if (trace.nr_frames != 2 || frames[0] != image->cursor.pc || frames[1] != CALLER ||
	    trace.end != MIPS_END_BOTTOM)
		fail_msg("%s, ABI %d, %s-endian: %u frames, the last is %#llx; %s", name,
			 image->unwind.machine.abi,
			 image->unwind.machine.big_endian ? "big" : "little", trace.nr_frames,
			 trace.nr_frames ? (unsigned long long)frames[trace.nr_frames - 1] : 0,
			 mips_unwind__end_name(trace.end));
}

static struct image image_memory;

static void try_shape(unsigned shape, struct mips_machine machine)
{
	static uint64_t memory[1024];
	struct image *image = &image_memory;
	struct mips_cache cache;

	image__begin(image, machine);
	shapes[shape].build(image);
	lay_stack(image);
	expect_caller(image, shapes[shape].name);
	mips_cache__init(&cache, memory, sizeof(memory));
	image->unwind.cache = &cache;
	expect_caller(image, shapes[shape].name);
	/* Known by now. Without code nothing could be scanned for again. */
	memset(image->code, 0, sizeof(image->code));
	expect_caller(image, shapes[shape].name);
}

static void every_shape(void **state)
{
	for (unsigned i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		for (unsigned shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++)
			try_shape(shape, machines[i]);
}

/* Release 6: calls, returns and branches without delay slots, in every ABI. */
static void release_6(void **state)
{
	struct image *image = &image_memory;
	mips_addr_t frames[8];
	struct mips_trace trace;

	for (unsigned i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		struct mips_machine machine = machines[i];

		machine.r6 = true;
		image__begin(image, machine);
		/* No prologue: only what is ahead can tell. */
		ADD(NOP, BALC(100));
		image->cursor.pc = image__here(image);
		/* bc over a break; beqzc; then the return, jic ra */
		ADD(BC(1), BREAK, IMMEDIATE(0x36, 0, V0, 1), NOP, LOAD(RA, SP, RA_AT(64)),
		    LOAD(FP, SP, FP_AT(64)), ADDIU(SP, SP, 64), JIC(RA));
		image->frame = 64;
		lay_stack(image);
		expect_caller(image, "release 6");
		/* Before release 6 that is no call. */
		image->unwind.machine.r6 = false;
		mips_unwind__walk(&image->unwind, &image->cursor, &image->window, frames, 8,
				  &trace);
		assert_int_equal(trace.nr_frames, 0);
		assert_int_equal(trace.end, MIPS_END_CALL);
	}
}

/* Where a signal comes: each instruction of a function, with and without a frame. */
static void interrupted_anywhere(void **state)
{
	struct image *image = &image_memory;
	mips_addr_t frames[8];
	struct mips_trace trace;

	for (unsigned i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		/* The last is the return. Delay slots are never interrupted alone. */
		for (uint32_t at = 0; at < 8; at++) {
			/* $ra is saved by word 1, clobbered by word 3, and back behind word 5. */
			bool framed = at >= 1;

			if (at == 4)
				continue;

			image__begin(image, machines[i]);
			image->cursor.pc = image__here(image) + at * 4;
			ADD(PROLOGUE(64), JALR(T9), NOP, EPILOGUE(64), NOP);
			image->frame = framed ? 64 : 0;
			image->cursor.exact = true;
			image->cursor.ra = at == 5 ? CODE + 400 : CALLER;
			if (framed)
				lay_stack(image);
			if (at == 1)
				image__put_slot(image, image->cursor.sp + RA_AT(64), CODE + 400);
			mips_unwind__walk(&image->unwind, &image->cursor, &image->window, frames, 8,
					  &trace);
			if (trace.nr_frames != 2 || frames[1] != CALLER || trace.nr_exact != 1 ||
			    trace.exact[0] != 0 || trace.end != MIPS_END_BOTTOM)
				fail_msg("instruction %u, ABI %d: %u frames, %s", at,
					 machines[i].abi, trace.nr_frames,
					 mips_unwind__end_name(trace.end));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape),
		cmocka_unit_test(release_6),
		cmocka_unit_test(interrupted_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
