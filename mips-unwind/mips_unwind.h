/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks of MIPS programs, by reading their instructions: gcc for MIPS emits no unwind tables for
 * C. From a return address the code is followed forward to where the function restores $ra and
 * $sp; where that is never reached, backward to where it saved them. What was learnt of a return
 * address is kept in a cache, so that a frame seen before is a lookup.
 *
 * A pure library: it allocates nothing, calls nothing but what it is given, has no state of its
 * own, and may be used in signal handlers and by several threads at once. It works on the memory
 * of the process it is in, and on images of any MIPS on any host: ABI, byte order and release are
 * data. With MIPS_UNWIND_SELF defined (all files alike) they are the compiler's, as constants,
 * and addresses are pointers.
 *
 * MIPS16 and microMIPS are recognised, not read. A stack that cannot be followed to its bottom is
 * marked so; no frame is invented: a caller counts only if it is aligned, in executable memory and
 * behind a call (or the kernel's signal trampoline), and $sp has risen within the stack.
 */
#ifndef MIPS_UNWIND_H
#define MIPS_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef MIPS_UNWIND_SELF
typedef uintptr_t mips_addr_t;
#else
typedef uint64_t mips_addr_t; /* 32-bit addresses are zero-extended */
#endif

enum mips_abi { MIPS_O32, MIPS_N32, MIPS_N64 };

/* What code is read as. Not looked at with MIPS_UNWIND_SELF. */
struct mips_machine {
	uint8_t abi; /* enum mips_abi */
	bool big_endian;
	bool r6; /* release 6: compact branches, and no likely ones */
};

/* Executable memory, [lo, hi). */
struct mips_code {
	mips_addr_t lo, hi;
	const void *bytes; /* of lo, readable up to hi; NULL: instructions are read by read() */
};

/* What the memory looks like; both may be called from where walk is called, any number of times. */
struct mips_memory {
	/*
	 * Copies nr_bytes (4 or 8) at address to `to`. False: not readable. Called for what is not
	 * in the window, and for code without bytes.
	 */
	bool (*read)(void *env, mips_addr_t address, void *to, size_t nr_bytes);
	/*
	 * Finds the executable mapping of pc. False: there is none. Who knows more (a symbol table,
	 * .pdr) may give the function of pc alone: scans do not leave a range but by a jump.
	 */
	bool (*code)(void *env, mips_addr_t pc, struct mips_code *code);
	void *env;
};

/*
 * Rules of return addresses already scanned, in memory of the caller's: shared by threads without
 * a lock. Every entry verifies itself: one that is torn, or of an older generation, is a miss.
 */
struct mips_cache {
	struct mips_cache_entry *entries;
	mips_addr_t mask; /* of an entry's offset in bytes */
	mips_addr_t key;  /* of the generation; atomic */
};

/*
 * Takes nr_bytes at memory, aligned to 16, of which the largest power of two is used; fewer than
 * 1024: no cache. A return address takes 8 bytes (16 where addresses have 64 bits). Once, before
 * threads use it.
 */
void mips_cache__init(struct mips_cache *cache, void *memory, size_t nr_bytes);

/*
 * Forgets everything: to be called when executable memory is unmapped or replaced, from any thread
 * or signal handler. A walk under way in another thread may still use what it has read.
 */
void mips_cache__invalidate(struct mips_cache *cache);

/* All that does not change from walk to walk. */
struct mips_unwind {
	struct mips_machine machine;
	struct mips_memory memory;
	struct mips_cache *cache; /* NULL: none, every frame is scanned for */
	/* The program's first instruction, 0 where it is not known: what is called from the
	 * MIPS_ENTRY_BYTES there has the bottom of the stack for a caller. */
	mips_addr_t entry;
};

#define MIPS_ENTRY_BYTES 64

/* Where a walk begins. */
struct mips_cursor {
	mips_addr_t pc, sp;
	mips_addr_t ra; /* looked at where exact */
	mips_addr_t fp; /* $30: s8, or fp */
	bool exact;	/* pc is of an instruction yet to run (a signal's), else a return address */
};

/*
 * The stack: bytes of lo, readable up to hi, the address of its first byte beyond. sp of the cursor
 * is within, or everything is read by read(), as it is after a signal handler on a stack of its
 * own.
 */
struct mips_window {
	const void *bytes; /* with MIPS_UNWIND_SELF, lo itself is read */
	mips_addr_t lo, hi;
};

/* Why a walk ended. Values do not change. */
enum mips_end {
	MIPS_END_BOTTOM = 0, /* the stack is complete: its last function has no caller */
	MIPS_END_FULL = 1,   /* no room for more frames */
	MIPS_END_ISA = 2,    /* the caller is MIPS16 or microMIPS code (an odd address) */
	MIPS_END_CODE = 3,   /* the caller is misaligned or not in executable memory */
	MIPS_END_CALL = 4,   /* there is no call before the caller's return address */
	MIPS_END_SCAN = 5,   /* no rule was found within the budget */
	MIPS_END_STACK = 6,  /* $sp would not rise, or leave the stack */
	MIPS_END_MEMORY = 7, /* a stack slot cannot be read */
	MIPS_END_SIGNAL = 8, /* more signal frames than MIPS_MAX_EXACT */
};

#define MIPS_MAX_EXACT 4

/* What a walk gives beside the frames. */
struct mips_trace {
	unsigned nr_frames;
	enum mips_end end;
	/*
	 * Indices of the frames that a signal interrupted (and 0 for an exact cursor), ascending:
	 * their pc is exact. All others are return addresses, to be looked up at pc - 8.
	 */
	unsigned nr_exact;
	unsigned exact[MIPS_MAX_EXACT];
};

/*
 * Walks from cursor outward; frames[0] is cursor->pc, if that is acceptable as above. The kernel's
 * signal trampoline is not a frame. At most max frames; each is a multiple of 4.
 */
void mips_unwind__walk(const struct mips_unwind *unwind, const struct mips_cursor *cursor,
		       const struct mips_window *stack, mips_addr_t *frames, unsigned max,
		       struct mips_trace *trace);

/* The most frames of a walk that are kept for the next. */
#define MIPS_LAST_FRAMES 64

/*
 * What a thread has of its last walk, on its own stack, for mips_unwind__walk_warm. All zero at
 * first but for what the caller puts in.
 */
struct mips_last {
	/* In: its cache is what is known, its memory is not asked. */
	const struct mips_unwind *unwind;
	/* In: the thread's stack. lo may change between walks, hi never. Of less than
	 * MIPS_WARM_STACK bytes, hi a multiple of a slot. */
	struct mips_window stack;
	uint32_t known;	 /* in: the serial of a stack the caller still has; 0: none */
	uint32_t serial; /* out: of this one; 0: it has none. Equal serials are equal stacks */
	bool is_cut;	 /* out: there was no room for all frames */

	mips_addr_t pc, sp; /* where it began */
	unsigned nr_frames; /* of the last walk, or of what is kept */
	bool repeats;	    /* it was like the one before */
	bool by_fp;	    /* it needed fp */
	/* A whole stack, kept as soon as others seem to be the same. */
	mips_addr_t key; /* of the cache; 0: nothing is kept */
	uint32_t kept;	 /* its serial */
	mips_addr_t pcs[MIPS_LAST_FRAMES];
	mips_addr_t slots[MIPS_LAST_FRAMES]; /* where they were read, but for the first */
};

#define MIPS_WARM_STACK ((mips_addr_t)1 << (sizeof(mips_addr_t) * 8 - 4))

/*
 * The walk of a thread that has walked before, from the return address pc with its sp and fp. sp is
 * in the stack and aligned. It is done by what is in the cache alone, which there must be; or,
 * where it begins as the last one did, and none of the words has changed that led that to the
 * bottom, by those. Reads nothing but the stack from sp on.
 *
 * Returns how many frames there are down to the bottom, or of which there was room; where
 * last->serial comes back as last->known, they were not written. 0: it cannot be done so, but
 * mips_unwind__walk can.
 *
 * One walk at a time uses `last`: a signal handler that has interrupted one must not. But it may
 * leave it for good, by a jump.
 */
unsigned mips_unwind__walk_warm(struct mips_last *last, mips_addr_t pc, mips_addr_t sp,
				mips_addr_t fp, mips_addr_t *frames, unsigned max);

/* "complete", or why the stack was cut, as an end of a sentence; a constant. */
const char *mips_unwind__end_name(enum mips_end end);

/*
 * Sets a cursor to the caller of the function this is written in: a function that is not inlined,
 * of a file compiled with -ffixed-30 (as are all between it and the program), for then $30 is
 * still the caller's.
 */
#ifdef __mips__
#define MIPS_UNWIND_CALLER(cursor)                                     \
	do {                                                           \
		uintptr_t mips_fp_;                                    \
                                                                       \
		__asm__ volatile("move %0, $30" : "=r"(mips_fp_));     \
		(cursor)->pc = (uintptr_t)__builtin_return_address(0); \
		(cursor)->sp = (uintptr_t)__builtin_dwarf_cfa();       \
		(cursor)->fp = mips_fp_;                               \
		(cursor)->ra = 0;                                      \
		(cursor)->exact = false;                               \
	} while (0)
#endif

#endif /* MIPS_UNWIND_H */
