// SPDX-License-Identifier: BSD-2-Clause
/*
 * By .eh_frame, which tells for every address of compiled code how to come to the caller, whether
 * or not there are frame pointers. An address is looked up once and remembered as a row
 * (unwind_cache.h), and so is the last walk of the thread (unwind_memo.h).
 */
#include <stddef.h>
#include <string.h>

#include "unwind.h"
#include "unwind_cache.h"
#include "unwind_cfi.h"
#include "unwind_code.h"
#include "unwind_memo.h"
#include "unwind_module.h"
#include "unwind_stack.h"

/* A frame pointer that is not known: no register ever holds it, as it is not aligned. */
#define FP_LOST 1

/* _start is about so long, and has no rule in some C libraries. */
#define ENTRY_BYTES 64

/* A frame that is found by its frame pointer alone is not believed to be larger. */
#define MAX_CHAIN (1ul << 20)

/* Above the outermost frame of a thread there is not much. */
#define MAX_ABOVE_OUTERMOST 8192

/* Where the kernel puts the registers of who was interrupted, from sp in the handler's return code
 * on. */
#if defined(__x86_64__)
enum { SIGNAL_FP = 120, SIGNAL_SP = 160, SIGNAL_PC = 168, SIGNAL_LR = 168 };
#elif defined(__aarch64__)
enum { SIGNAL_FP = 544, SIGNAL_SP = 560, SIGNAL_PC = 568, SIGNAL_LR = 552 };
#endif

/* What was interrupted is written as the next instruction, or as its own second byte where the next
 * is not known: readers take it for a return address, and look one byte in front of it. */
#if defined(__aarch64__)
#define INSTRUCTION_BYTES 4u
#else
#define INSTRUCTION_BYTES 1u
#endif

struct unwind_cached unwind_cache[1 << UNWIND_CACHE_BITS];
uint32_t unwind_cache_generation;

struct walk {
	uintptr_t pc, sp, fp;
	uintptr_t lr;	/* of who was interrupted; 0: not known */
	bool is_return; /* pc is a return address: its call is in front of it */
	uint64_t salt;
	struct unwind_memo *memo; /* NULL: goes without */
	uintptr_t token;	  /* the memo's */
	struct unwind_window window;
};

enum step { STEP_ON, STEP_COMPLETE, STEP_CUT };

void unwinder__forget(void)
{
	__atomic_add_fetch(&unwind_cache_generation, 1, __ATOMIC_RELAXED);
}

/* The row of an address that is not in the cache. */
static unwind_row resolve(uintptr_t address)
{
	struct unwind_module module;
	bool is_unloaded = false;
	unwind_row row = ROW_NOWHERE;

	if (unwind_module__find(address, &module, &is_unloaded))
		row = unwind_cfi__row(&module, address);
	if (is_unloaded)
		unwinder__forget();
	if (row != ROW_NOWHERE && row != ROW_GAP && row != ROW_SIGNAL)
		return row;
	if (unwind_code__is_sigreturn(address + 1))
		return row == ROW_NOWHERE ? ROW_SIGNAL_NOWHERE : ROW_SIGNAL;
	if (row == ROW_GAP && address + 1 - unwind_module__entry() < ENTRY_BYTES)
		return ROW_END;
	if (unwind_code__follows_call(address + 1))
		return ROW_CHAIN;
	return row == ROW_SIGNAL ? ROW_GAP : row;
}

static inline unwind_row find_row(uint64_t salt, uintptr_t address)
{
	unwind_row row;

	if (!unwind_unlikely(!unwind_cache__get(salt, address, &row)))
		return row;
	row = resolve(address);
	unwind_cache__put(salt, address, row);
	return row;
}

static inline bool read_word(struct walk *walk, uintptr_t address, uintptr_t *word)
{
	if (!unwind_stack__word(&walk->window, address, word))
		return false;
	if (walk->memo && unwind_unlikely(!unwind_memo__add_word(walk->memo, address, *word))) {
		unwind_memo__forget(walk->memo);
		unwind_memo__close(walk->memo, &walk->token);
		walk->memo = NULL;
	}
	return true;
}

/* Moves to another stack, if sp is on one: a handler's own, or back from it. */
static void change_stack(struct walk *walk, uintptr_t sp)
{
	if (sp - walk->window.lo < walk->window.hi - walk->window.lo)
		return;
	if (walk->memo) {
		unwind_memo__forget(walk->memo);
		unwind_memo__close(walk->memo, &walk->token);
		walk->memo = NULL;
	}
	unwind_stack__open(&walk->window, sp);
}

static enum step step_signal(struct walk *walk)
{
	uintptr_t frame = walk->sp, fp, sp, pc, lr;

	if (frame & 7)
		return STEP_CUT;
	if (!read_word(walk, frame + SIGNAL_FP, &fp) || !read_word(walk, frame + SIGNAL_SP, &sp) ||
	    !read_word(walk, frame + SIGNAL_PC, &pc) || !read_word(walk, frame + SIGNAL_LR, &lr))
		return STEP_CUT;
	change_stack(walk, sp);
	/* On one and the same stack, who was interrupted lies higher. */
	if (sp & 7 || (sp <= frame && frame - walk->window.lo < walk->window.hi - walk->window.lo))
		return STEP_CUT;
	walk->pc = unwind_code__address(pc);
	walk->sp = sp;
	walk->fp = fp;
	walk->lr = unwind_code__address(lr);
	walk->is_return = false;
	return STEP_ON;
}

/*
 * Code without a rule, of a JIT compiler or of assembly. Whether it keeps a frame pointer nobody
 * says: it is believed if it leads to a frame close by whose return address follows a call.
 */
static enum step step_chain(struct walk *walk)
{
	uintptr_t fp = walk->fp, next, pc;
	unsigned kind;

	if (!fp && walk->window.is_own && walk->window.hi - walk->sp < MAX_ABOVE_OUTERMOST)
		return STEP_COMPLETE;
	if (fp < walk->sp || fp - walk->sp > MAX_CHAIN || fp & 7 || !read_word(walk, fp, &next) ||
	    !read_word(walk, fp + 8, &pc))
		return STEP_CUT;
	pc = unwind_code__address(pc);
	if (!pc || (next && next <= fp))
		return STEP_CUT;
	kind = unwind_row__kind(find_row(walk->salt, pc - 1));
	if (kind == ROW_NOWHERE || kind == ROW_GAP)
		return STEP_CUT;
	walk->pc = pc;
	walk->sp = fp + 16;
	walk->fp = next;
	walk->is_return = true;
	return STEP_ON;
}

/* What is not a plain frame. */
static enum step step_special(struct walk *walk, unwind_row row)
{
	switch (unwind_row__kind(row)) {
	case ROW_SIGNAL:
	case ROW_SIGNAL_NOWHERE:
		return step_signal(walk);
	case ROW_END:
		return STEP_COMPLETE;
	case ROW_CHAIN:
		return step_chain(walk);
	}
	return STEP_CUT;
}

/* The CFA of the rarer rows; 0: it cannot be had. */
static uintptr_t find_special_cfa(struct walk *walk, unwind_row row)
{
	uintptr_t base, offset = (uintptr_t)unwind_row__cfa_offset(row);

	switch (unwind_row__kind(row)) {
	case ROW_PLT:
		return walk->sp + 8 + ((walk->pc & 15) >= 11 ? 8 : 0);
	case ROW_SP_DEREF:
		base = walk->sp;
		break;
	case ROW_FP_DEREF:
		base = walk->fp;
		break;
	default:
		return 0;
	}
	if ((base + offset) & 7 || !read_word(walk, base + offset, &base))
		return 0;
	return base + (uintptr_t)unwind_row__ra_offset(row);
}

static inline bool step_fp(struct walk *walk, unwind_row row, uintptr_t cfa)
{
	uintptr_t at = (uintptr_t)unwind_row__fp_offset(row);

	switch (unwind_row__fp(row)) {
	case ROW_FP_SAME:
		return true;
	case ROW_FP_SAVED:
		return read_word(walk, cfa + at, &walk->fp);
	case ROW_FP_AT_FP:
		return !(walk->fp & 7) && read_word(walk, walk->fp + at, &walk->fp);
	}
	walk->fp = FP_LOST;
	return true;
}

/* From a frame to its caller. */
static inline enum step step(struct walk *walk, unwind_row row)
{
	unsigned kind = unwind_row__kind(row);
	uintptr_t cfa, pc, at = (uintptr_t)unwind_row__ra_offset(row);

	if (__builtin_expect(kind == ROW_SP || kind == ROW_FP, 1)) {
		cfa = (kind == ROW_SP ? walk->sp : walk->fp) +
		      (uintptr_t)unwind_row__cfa_offset(row);
	} else if (kind == ROW_PLT || kind == ROW_SP_DEREF || kind == ROW_FP_DEREF) {
		cfa = find_special_cfa(walk, row);
		at = (uintptr_t)-8;
	} else {
		return step_special(walk, row);
	}
	/* The stack grows down: a caller's frame lies higher, but for who was interrupted without
	 * one. */
	if (unwind_unlikely(cfa & 7 || cfa < walk->sp))
		return STEP_CUT;
	if (unwind_unlikely(unwind_row__is_ra_in_lr(row))) {
		if (walk->is_return || !walk->lr)
			return STEP_CUT;
		pc = walk->lr;
	} else if (cfa == walk->sp || !read_word(walk, cfa + at, &pc)) {
		return STEP_CUT;
	}
	if (unwind_unlikely(!step_fp(walk, row, cfa)))
		return STEP_CUT;
	walk->pc = unwind_code__address(pc);
	walk->sp = cfa;
	walk->is_return = true;
	return walk->pc ? STEP_ON : STEP_COMPLETE;
}

/* The walk stands where the last one stood at a frame. Are the words from there on what they were?
 */
static bool holds(const struct walk *walk, unsigned nr_frames, unsigned max)
{
	const struct unwind_memo *memo = walk->memo;
	unsigned joined = memo->next, total = nr_frames + UNWIND_MEMO_FRAMES - joined;
	const struct unwind_memo_word *word = memo->words + memo->frames[joined].word;
	const struct unwind_memo_word *end = memo->words + UNWIND_MEMO_WORDS;
	uintptr_t lo = walk->window.lo, len = walk->window.hi - lo;

	/* The last walk may have ended at its last frame only because there was no more room. */
	if (total > max || (UNWIND_MEMO_FRAMES - memo->first == max && total < max))
		return false;
	for (; word < end; word++) {
		if (unwind_unlikely(word->at - lo >= len ||
				    unwind_stack__load(word->at) != word->value))
			return false;
	}
	return true;
}

/* The rest of the walk is that of the last one. */
static unsigned join(struct walk *walk, uintptr_t *frames, unsigned nr_frames,
		     struct unwind_note *note)
{
	struct unwind_memo *memo = walk->memo;
	unsigned joined = memo->next, nr_joined = UNWIND_MEMO_FRAMES - joined;

	note->flags = memo->flags;
	if (nr_frames || joined != memo->first)
		unwind_memo__keep(memo, joined, frames, nr_frames, memo->flags, note->serial);
	else if (note->serial == memo->serial)
		return nr_joined;
	note->serial = unwind_memo__serial(memo);
	memcpy(frames + nr_frames, memo->pcs + joined, nr_joined * sizeof(*frames));
	return nr_frames + nr_joined;
}

static unsigned walk_on(struct walk *walk, uintptr_t *frames, unsigned max,
			struct unwind_note *note)
{
	enum step how = STEP_ON;
	unsigned nr_frames = 0;
	unwind_row row;

	do {
		struct unwind_memo *memo = walk->memo;

		if (nr_frames == max) {
			how = STEP_CUT;
			break;
		}
		if (memo) {
			if (walk->is_return &&
			    unwind_memo__meets(memo, walk->pc, walk->sp, walk->fp) &&
			    holds(walk, nr_frames, max))
				return join(walk, frames, nr_frames, note);
			unwind_memo__begin_frame(memo, nr_frames, walk->sp | !walk->is_return,
						 walk->fp);
		}
		frames[nr_frames++] = walk->pc + (walk->is_return ? 0 : INSTRUCTION_BYTES);
		row = find_row(walk->salt, walk->pc - walk->is_return);
		/* Readers know it by nothing, and would cut the stack there. */
		nr_frames -= unwind_unlikely(row == ROW_SIGNAL_NOWHERE);
		how = step(walk, row);
	} while (how == STEP_ON);
	note->flags = how == STEP_CUT ? WIRE_STACK_CUT : 0;
	if (walk->memo) {
		unwind_memo__keep(walk->memo, UNWIND_MEMO_FRAMES, frames, nr_frames, note->flags,
				  note->serial);
		note->serial = unwind_memo__serial(walk->memo);
	} else {
		note->serial = 0;
	}
	return nr_frames;
}

static bool eh__usable(void)
{
	return true;
}

static unsigned eh__walk(const struct unwind_from *from, uintptr_t *frames, unsigned max,
			 struct unwind_note *note)
{
	uint32_t known = note->serial;
	unsigned nr_frames;

	for (int trial = 0;; trial++) {
		struct walk walk = {
			.pc = unwind_code__address(from->pc),
			.sp = from->sp,
			.fp = from->fp,
			.lr = from->ra,
			.is_return = true,
			.salt = unwind_cache__salt(),
		};

		unwind_stack__open(&walk.window, from->sp);
		if (walk.window.is_own)
			walk.memo = unwind_memo__open(&walk.token, &walk.window, walk.salt, max);
		nr_frames = walk_on(&walk, frames, max, note);
		if (walk.memo)
			unwind_memo__close(walk.memo, &walk.token);
		/* Was it found meanwhile that code has been unloaded? */
		if (walk.salt == unwind_cache__salt() || trial)
			break;
		note->serial = known;
	}
	return nr_frames;
}

const struct unwinder unwinder_eh = { "eh", eh__usable, eh__walk };
