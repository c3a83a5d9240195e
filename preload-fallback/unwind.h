/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unwinders of the preload library: from registers that a hook captures to return addresses. They
 * run inside malloc, in any thread, at any time and in signal handlers, so they call nothing that
 * allocates or may wait for the program, touch no memory they have not found readable, and leave
 * errno alone. What they cannot walk is cut and said to be cut, never guessed.
 *
 * A hook does
 *
 *	struct unwind_note note = { .serial = <kept from the thread's last walk, or 0>,
 *				    .alone = <not in a handler that interrupted a hook> };
 *	struct unwind_from from;
 *
 *	UNWIND_CAPTURE(&from);
 *	nr_frames = unwinder->walk(&from, frames, WIRE_MAX_FRAMES, &note);
 *
 * and where note.serial comes back as it was given (and is not 0), the stack is the one it stood
 *for and frames has not been written: neither hashing nor comparing is needed.
 */
#ifndef PRELOAD_UNWIND_H
#define PRELOAD_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

/* Registers of the hook's caller, as they are when the hook has returned to it. */
struct unwind_from {
	uintptr_t pc; /* the hook's return address: the first frame */
	uintptr_t sp; /* the hook's canonical frame address */
	uintptr_t fp; /* the register for frame pointers: x86-64 rbp, arm64 x29, MIPS $30 */
	uintptr_t
		ra; /* the link register where it is known to hold the caller's own; 0: it is not */
};

struct unwind_note {
	/* In: of a walk of this thread whose stack the caller still has; 0: none. Out: of this one;
	 * 0: this stack has none. Equal serials of one thread are equal stacks, flags included. */
	uint32_t serial;
	uint32_t flags; /* out: WIRE_STACK_CUT */
	/* In: no other walk of this thread is under way, which this one interrupts. */
	bool alone;
};

struct unwinder {
	const char *name;     /* as HEAPTAP_UNWIND has it */
	bool (*usable)(void); /* on this machine, in this process */
	/*
	 * The return addresses, innermost (from->pc) first, out to _start or a thread's begin. max
	 * is 1..WIRE_MAX_FRAMES; of more frames the innermost max are given, and cut. Returns how
	 * many there are, also where frames was not written because of note->serial; at least 1.
	 */
	unsigned (*walk)(const struct unwind_from *from, uintptr_t *frames, unsigned max,
			 struct unwind_note *note);
};

/* By name, or with NULL, "" or "auto" the best there is. NULL: there is none of that name, or it is
 * not usable here. */
const struct unwinder *unwinder__choose(const char *name);

/* Code has been unloaded or replaced (dlclose has returned, a JIT compiler's code was moved): what
 * was learned about addresses is forgotten. Where nobody calls it, unloading is noticed as soon as
 * an address is met that is new. May be called at any time, in any thread. */
void unwinder__forget(void);

/*
 * Fills in a struct unwind_from. To be written in the hook itself, a function that is not inlined:
 * it is about that function's own caller. On MIPS the hook is compiled with -ffixed-30, so that $30
 * is still its caller's; elsewhere the builtins below give it a frame pointer, at which its
 * caller's was saved.
 */
#if defined(__x86_64__) || defined(__aarch64__)
#define UNWIND_CALLERS_FP() (*(const uintptr_t *)__builtin_frame_address(0))
#elif defined(__mips__)
#define UNWIND_CALLERS_FP()                                   \
	__extension__({                                       \
		uintptr_t fp_;                                \
		__asm__ volatile("move %0, $30" : "=r"(fp_)); \
		fp_;                                          \
	})
#else
#define UNWIND_CALLERS_FP() ((uintptr_t)0)
#endif

#define UNWIND_CAPTURE(from)                                   \
	(*(from) = (struct unwind_from){                       \
		 .pc = (uintptr_t)__builtin_return_address(0), \
		 .sp = (uintptr_t)__builtin_dwarf_cfa(),       \
		 .fp = UNWIND_CALLERS_FP(),                    \
	 })

/* The unwinders there are; each is in a file of its own. */
extern const struct unwinder unwinder_mips; /* instructions: unwind_mips.c */
extern const struct unwinder unwinder_eh;   /* .eh_frame: unwind_eh.c */
extern const struct unwinder unwinder_fp;   /* frame pointers: unwind_fp.c */
extern const struct unwinder unwinder_none; /* the caller alone: unwind.c */

#endif /* PRELOAD_UNWIND_H */
