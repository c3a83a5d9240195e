/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a preloaded walker under QEMU hands a stack to the oracle (oracle.c): by a prctl that no kernel
 * knows. The plugin sees every system call before it is refused with EINVAL; without the plugin, and
 * on a real kernel, nothing happens but that.
 *
 * Once a stack, in the thread it belongs to, from the hook that stands for malloc:
 *
 *	handover__begin();                              counting of guest instructions begins
 *	nr = <walk>(frames, ...);
 *	handover__frames(frames, nr, cfa, flags);       it ends here; then the stacks are compared
 *
 * frames: return addresses, innermost first. frames[0] is the hook's own return address, the place in
 * the program behind its call of malloc; the last is the one in _start (or in the thread's first
 * function). Where a signal handler was called, the handler's return address (the trampoline's) may
 * be there or not; the frame after it is the very instruction that was interrupted.
 * cfa: the stack pointer when the hook was entered, __builtin_dwarf_cfa() in it: which calls are the
 * program's and which the library's own.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

/* The first argument of prctl. */
#define HANDOVER_BEGIN  0x48544201
#define HANDOVER_FRAMES 0x48544202

/* Flags, with the number of frames in the third argument. */
#define HANDOVER_CUT  0x10000 /* there was no room for more frames: the outer ones are not compared */
#define HANDOVER_LOST 0x20000 /* the walker itself says that it could not go on */
#define HANDOVER_NR   0x0ffff

#ifdef __mips__
#if _MIPS_SIM == _ABIO32
#define HANDOVER_PRCTL 4192
#else
#define HANDOVER_PRCTL 5153
#endif

static inline void handover__call(unsigned long what, const void *frames, unsigned long nr,
				  unsigned long cfa)
{
	register unsigned long number __asm__("$2") = HANDOVER_PRCTL;
	register unsigned long a0 __asm__("$4") = what;
	register unsigned long a1 __asm__("$5") = (unsigned long)frames;
	register unsigned long a2 __asm__("$6") = nr;
	register unsigned long a3 __asm__("$7") = cfa;

	/* The rest is what a MIPS system call may change. */
	__asm__ volatile("syscall"
			 : "+r"(number), "+r"(a3)
			 : "r"(a0), "r"(a1), "r"(a2)
			 : "$1", "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$24",
			   "$25", "hi", "lo", "memory");
}

static inline void handover__begin(void)
{
	handover__call(HANDOVER_BEGIN, 0, 0, 0);
}

static inline void handover__frames(const unsigned long *frames, unsigned long nr, unsigned long cfa,
				    unsigned long flags)
{
	handover__call(HANDOVER_FRAMES, frames, (nr & HANDOVER_NR) | flags, cfa);
}
#endif /* __mips__ */

#endif /* HANDOVER_H */
