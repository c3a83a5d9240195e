// SPDX-License-Identifier: BSD-2-Clause
/*
 * By frame pointers: for programs that were compiled with them, or where speed is all. On x86-64
 * and on arm64 alike, a frame's pointer leads to two words: the caller's frame pointer, and the
 * return address. Code without them is passed over, or ends the walk: that is found by nobody.
 */
#include "unwind.h"
#include "unwind_code.h"
#include "unwind_stack.h"

static bool fp__usable(void)
{
	return true;
}

static unsigned fp__walk(const struct unwind_from *from, uintptr_t *frames, unsigned max,
			 struct unwind_note *note)
{
	uintptr_t fp = from->fp, sp = from->sp, next, pc;
	struct unwind_window window;
	unsigned nr_frames = 1;

	frames[0] = unwind_code__address(from->pc);
	note->serial = 0;
	note->flags = 0;
	unwind_stack__open(&window, sp);
	/* Who starts programs and threads leaves 0 there. */
	while (fp) {
		if (nr_frames == max || fp < sp || fp & 7 ||
		    !unwind_stack__word(&window, fp, &next) ||
		    !unwind_stack__word(&window, fp + 8, &pc)) {
			note->flags = WIRE_STACK_CUT;
			break;
		}
		if (!pc)
			break;
		frames[nr_frames++] = unwind_code__address(pc);
		sp = fp + 16;
		fp = next;
	}
	return nr_frames;
}

const struct unwinder unwinder_fp = { "fp", fp__usable, fp__walk };
