/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The last walk of a thread, kept to shorten the next. A program allocates from the same places again
 * and again, and the outer frames change least of all. A walk is determined by the registers it starts
 * from, the tables, and the words it reads: so when a new walk comes to the very registers the last one
 * had at some frame, and every return address and saved rbp further out is still in its place, the rest
 * is the same, and reading those words again replaces searching the tables.
 *
 * Frames stand at the end of the array, the outermost last, so that a walk which differs in its inner
 * frames only replaces those. With each frame goes the hash of the stack from there outwards.
 */
#ifndef MEMO_H
#define MEMO_H

#define MEMO_FRAMES 128 /* a power of two: indexes are masked */

/* The registers before the step from this frame to its caller. */
struct memo_frame {
	__u64 pc, sp, bp;
	__u64 bp_at; /* where bp was read; 0: it is the frame's before */
	struct stack_key hash;
};

/* The same for the inner frames of a walk under way; bp_at is in the memo, where there is room. */
struct memo_scratch {
	__u64 sp, bp;
};

struct memo {
	__u32 first; /* index of the innermost frame; MEMO_FRAMES: there is none */
	__u32 tables; /* the walk's generation of them */
	__u32 joined; /* index where the walk under way meets the last one */
	__u32 next; /* where it may */
	struct memo_frame frames[MEMO_FRAMES];
	__u64 scratch_bp_at[MEMO_FRAMES];
};

/* The end of every stack, from which hashes start: another one for each process and image, because
 * the same addresses mean something else there. */
static __always_inline void memo__begin_hash(const struct unwind_process *process,
					     struct stack_key *key)
{
	key->first = cfg_hash_seed ^ process->serial;
	key->second = ~cfg_hash_seed ^ process->address_epoch;
}

static __always_inline void memo__hash(struct stack_key *key, __u64 frame)
{
	__u64 first = (key->first ^ frame) * 0x9e3779b97f4a7c15ull;
	__u64 second = (key->second + frame) * 0xd6e8feb86659fd93ull;

	key->first = first ^ first >> 29;
	key->second = second ^ second >> 32;
}

static __always_inline void memo__forget(struct memo *memo)
{
	memo->first = MEMO_FRAMES;
}

/* Does the walk stand where the last one stood at some frame? Then that is memo->joined. */
static __always_inline int memo__meets(struct memo *memo, const struct unwind *walk)
{
	const struct memo_frame *frame;
	__u32 at = memo->next;

	/* Both go outwards. Where their frames are of other sizes this falls back, and catches up. */
	for (int i = 0; i < 2; i++) {
		at += 1 - unwind__not_above(walk->sp, memo->frames[at & (MEMO_FRAMES - 1)].sp);
		at -= at / MEMO_FRAMES; /* not past the last */
	}
	memo->next = at;
	at &= MEMO_FRAMES - 1;
	frame = &memo->frames[at];
	if (frame->sp != walk->sp || at < memo->first || frame->pc != walk->pc ||
	    frame->bp != walk->bp)
		return 0;
	memo->joined = at;
	return 1;
}

/* Is what led from frame `at` to its caller still in memory? */
static __always_inline int memo__holds(struct memo *memo, struct unwind *walk,
					 struct unwind_process *process, __u32 at)
{
	const struct memo_frame *caller = &memo->frames[(at + 1) & (MEMO_FRAMES - 1)];
	__u64 word;

	if (caller->bp_at &&
	    (!unwind__word(walk, process, caller->bp_at, &word) || word != caller->bp))
		return 0;
	return unwind__word(walk, process, caller->sp - 8, &word) && word == caller->pc;
}

#endif /* MEMO_H */
