// SPDX-License-Identifier: BSD-2-Clause
/*
 * Walks that are not one of many: with fp followed, or to be kept; and those that meet rules to be
 * scanned for, signal frames, other stacks, which step.c does one frame at a time.
 */
#include "known.h"

/* Keeps a whole stack. Should a signal handler end this for good, nothing is kept. */
static void keep(struct mips_last *last, mips_addr_t key, const mips_addr_t *frames,
		 const mips_addr_t *slots, unsigned nr_frames)
{
	memcpy(last->pcs, frames, nr_frames * sizeof(*frames));
	memcpy(last->slots, slots, nr_frames * sizeof(*slots));
	do
		last->kept++;
	while (!last->kept || last->kept == last->known);
	last->serial = last->kept;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	last->key = key;
	last->repeats = true;
}

/*
 * What is known of a walk from where it stands, fp followed; returns to where frames were written.
 * *more: it is at a frame yet to be done. slots: MIPS_LAST_FRAMES, of what was read.
 */
static __attribute__((noinline)) mips_addr_t *
walk_noting(const struct mips_unwind *unwind, const struct mips_window *stack, struct known *at,
	    mips_addr_t *out, const mips_addr_t *end, mips_addr_t *slots, bool *more)
{
	at->slot = slots + 1;
	at->end_slot = slots + MIPS_LAST_FRAMES;
	*more = walk_known(unwind, stack, at, &out, end, true);
	return out;
}

unsigned mips_last__walk_and_keep(struct mips_last *last, mips_addr_t fp, mips_addr_t *frames,
				  unsigned max)
{
	struct known at = { .pc = last->pc, .sp = last->sp, .fp = fp };
	mips_addr_t slots[MIPS_LAST_FRAMES], key = mips_cache__key(last->unwind->cache);
	bool more;

	last->serial = 0;
	last->repeats = false;
	last->nr_frames = (unsigned)(walk_noting(last->unwind, &last->stack, &at, frames,
						 frames + max, slots, &more) -
				     frames);
	last->by_fp = at.by_fp;
	if (more) {
		last->is_cut = last->nr_frames == max;
		return last->is_cut ? max : 0;
	}
	if (!at.by_fp && last->nr_frames <= MIPS_LAST_FRAMES)
		keep(last, key, frames, slots, last->nr_frames);
	return last->nr_frames;
}

void mips_unwind__walk(const struct mips_unwind *unwind, const struct mips_cursor *cursor,
		       const struct mips_window *stack, mips_addr_t *frames, unsigned max,
		       struct mips_trace *trace)
{
	struct mips_walk walk = { unwind, *stack, *cursor, 0, frames, frames + max, trace };

	trace->nr_frames = 0;
	trace->nr_exact = 0;
	trace->end = MIPS_END_BOTTOM;
	if (walk.stack.lo > walk.stack.hi)
		walk.stack.lo = walk.stack.hi = 0;
	walk.key = unwind->cache ? mips_cache__key(unwind->cache) : 0;
	do {
		if (walk.at.sp % mips__slot_bytes(&unwind->machine)) {
			trace->end = MIPS_END_STACK;
			return;
		}
	} while (mips_walk__step(&walk));
}
