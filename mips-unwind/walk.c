// SPDX-License-Identifier: BSD-2-Clause
/*
 * The walk of a thread that has walked before, which is all that a repeated stack costs. What is
 * not known is done by slow.c.
 */
#include "known.h"

/* Whether none of the words has changed that led the last walk to the bottom. */
MIPS_INLINE bool is_same(const struct mips_last *last)
{
	const mips_addr_t *pc = last->pcs, *end = last->pcs + last->nr_frames;

	while (++pc != end)
		if (mips_window__slot(last->unwind, &last->stack, pc[MIPS_LAST_FRAMES]) != *pc)
			return false;
	return true;
}

/* What is kept, as the caller needs it. */
static unsigned give(struct mips_last *last, mips_addr_t *frames)
{
	last->serial = last->kept;
	if (last->kept != last->known)
		memcpy(frames, last->pcs, last->nr_frames * sizeof(*frames));
	return last->nr_frames;
}

unsigned mips_unwind__walk_warm(struct mips_last *last, mips_addr_t pc, mips_addr_t sp,
				mips_addr_t fp, mips_addr_t *frames, unsigned max)
{
	bool begins_so = pc == last->pc && sp == last->sp;
	struct known at = { .pc = pc, .sp = sp };
	mips_addr_t *out = frames;
	unsigned nr_frames;

	last->is_cut = false;
	if (begins_so && last->repeats) {
		if (!last->key)
			return mips_last__walk_and_keep(last, fp, frames, max);
		if (last->key == mips_cache__key(last->unwind->cache) && last->nr_frames <= max &&
		    is_same(last))
			return give(last, frames);
	}
	last->key = 0;
	last->serial = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	last->pc = pc;
	last->sp = sp;
	if (last->by_fp)
		return mips_last__walk_and_keep(last, fp, frames, max);
	if (!LIKELY(!walk_known(last->unwind, &last->stack, &at, &out, frames + max, false))) {
		if (at.by_fp)
			return mips_last__walk_and_keep(last, fp, frames, max);
		last->is_cut = out == frames + max;
		return last->is_cut ? max : 0;
	}
	nr_frames = (unsigned)(out - frames);
	last->repeats = begins_so && nr_frames == last->nr_frames;
	last->nr_frames = nr_frames;
	return nr_frames;
}

const char *mips_unwind__end_name(enum mips_end end)
{
	static const char *const names[] = {
		[MIPS_END_BOTTOM] = "complete",
		[MIPS_END_FULL] = "there is no room for more frames",
		[MIPS_END_ISA] = "the caller is MIPS16 or microMIPS code",
		[MIPS_END_CODE] = "the caller's address is not in executable memory",
		[MIPS_END_CALL] = "there is no call before the caller's address",
		[MIPS_END_SCAN] = "the function's frame was not recognised",
		[MIPS_END_STACK] = "the frame is outside the stack",
		[MIPS_END_MEMORY] = "the stack cannot be read",
		[MIPS_END_SIGNAL] = "too many signal handlers are active",
	};

	return (unsigned)end < sizeof(names) / sizeof(names[0]) ? names[end] : "unknown";
}
