/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last walk of a thread, kept to shorten the next. A program allocates from the same places
 * again and again, and the outer frames change least of all. A walk is determined by the registers
 * it starts from, the tables, and the words it reads: so when a new walk comes to the very
 * registers the last one had at some frame, and every word that was read from there on is still in
 * its place, the rest is the same. Comparing words that lie side by side is several times faster
 * than finding one by the other.
 *
 * Frames and words stand at the end of their arrays, the outermost last, so that a walk that
 * differs in its inner frames only replaces those.
 *
 * A memo is too large for a thread's own variables, which some C libraries take out of its stack.
 * So there is a fixed number, and threads that meet in one forget each other's walks.
 */
#ifndef UNWIND_MEMO_H
#define UNWIND_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind_stack.h"
#include "wire.h"

#define UNWIND_MEMO_FRAMES (WIRE_MAX_FRAMES + 1)
/* Two words a frame are usual. */
#define UNWIND_MEMO_WORDS 288

/* The registers before the step from this frame to its caller. */
struct unwind_memo_frame {
	uintptr_t sp; /* odd: pc is where a signal came, not a return address */
	uintptr_t fp;
	uint32_t word; /* index of the first that its step and those after it read */
};

struct unwind_memo_word {
	uintptr_t at, value;
};

struct unwind_memo {
	uintptr_t user; /* address of the token of the walk that uses it; 0: none */
	/* What is kept. */
	uintptr_t thread; /* whose walk it was */
	uint64_t salt;	  /* with which tables */
	uint32_t serial;
	uint32_t flags;
	unsigned max;
	unsigned first; /* index of the innermost frame; UNWIND_MEMO_FRAMES: there is none */
	uintptr_t pcs[UNWIND_MEMO_FRAMES];
	struct unwind_memo_frame frames[UNWIND_MEMO_FRAMES];
	struct unwind_memo_word words[UNWIND_MEMO_WORDS];
	/* The walk under way: the frames that are not in what is kept. */
	unsigned next; /* index where it may meet the last one */
	uint32_t nr_new_words;
	struct unwind_memo_frame new_frames[UNWIND_MEMO_FRAMES];
	struct unwind_memo_word new_words[UNWIND_MEMO_WORDS];
};

/*
 * This thread's, with what it keeps that is still worth something for a walk with these tables and
 * that many frames. token: a variable of the walk's, on the thread's own stack; that is the window.
 * NULL: this walk interrupts another of the thread, or another thread has the memo in use.
 */
struct unwind_memo *unwind_memo__open(uintptr_t *token, const struct unwind_window *window,
				      uint64_t salt, unsigned max);
void unwind_memo__close(struct unwind_memo *memo, uintptr_t *token);

/* The walk has nr_new frames, and from index joined on it is what was kept. serial: one that the
 * new stack must not have. */
void unwind_memo__keep(struct unwind_memo *memo, unsigned joined, const uintptr_t *pcs,
		       unsigned nr_new, uint32_t flags, uint32_t serial);

/* Of the stack that is kept; 0: none is. */
static inline uint32_t unwind_memo__serial(const struct unwind_memo *memo)
{
	return memo->first < UNWIND_MEMO_FRAMES ? memo->serial : 0;
}

static inline void unwind_memo__forget(struct unwind_memo *memo)
{
	memo->first = UNWIND_MEMO_FRAMES;
}

/* Does the walk stand where the last one stood at some frame? That is its index, memo->next. */
static inline bool unwind_memo__meets(struct unwind_memo *memo, uintptr_t pc, uintptr_t sp,
				      uintptr_t fp)
{
	unsigned at = memo->next;

	while (at < UNWIND_MEMO_FRAMES && memo->frames[at].sp < sp)
		at++;
	memo->next = at;
	return at < UNWIND_MEMO_FRAMES && memo->frames[at].sp == sp && memo->frames[at].fp == fp &&
	       memo->pcs[at] == pc;
}

static inline void unwind_memo__begin_frame(struct unwind_memo *memo, unsigned number, uintptr_t sp,
					    uintptr_t fp)
{
	memo->new_frames[number] =
		(struct unwind_memo_frame){ .sp = sp, .fp = fp, .word = memo->nr_new_words };
}

/* A word that the walk has read. False: there is no more room. */
static inline bool unwind_memo__add_word(struct unwind_memo *memo, uintptr_t at, uintptr_t value)
{
	if (memo->nr_new_words == UNWIND_MEMO_WORDS)
		return false;
	memo->new_words[memo->nr_new_words++] =
		(struct unwind_memo_word){ .at = at, .value = value };
	return true;
}

#endif /* UNWIND_MEMO_H */
