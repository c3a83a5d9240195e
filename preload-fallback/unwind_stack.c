// SPDX-License-Identifier: BSD-2-Clause
#include "unwind_stack.h"

#include <elf.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "unwind_auxv.h"

/* Of the smallest pages there are: larger ones are asked about more often than needed. */
#define PAGE 4096ul

/* So much of a stack is looked through at once, at most. */
#define MAX_STACK (64ul << 20)

/* A thread whose first walks are not on its own stack is not asked about it for ever. */
#define MAX_TRIALS 16

__thread struct unwind_own_stack unwind_own_stack __attribute__((tls_model("initial-exec")));

/*
 * How the kernel would change the set of blocked signals is nonsense here, so it does not; but
 * before it finds that, it reads the set. Unlike other calls that read memory this one needs no
 * file and is forbidden by no sandbox.
 */
bool unwind_stack__is_readable(uintptr_t address)
{
#if defined(__x86_64__)
	long result = SYS_rt_sigprocmask;
	register long size __asm__("r10") = 8;

	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(-1l), "S"(address), "d"(0l), "r"(size)
			 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long number __asm__("x8") = SYS_rt_sigprocmask;
	register long result __asm__("x0") = -1;
	register uintptr_t set __asm__("x1") = address;
	register long old __asm__("x2") = 0;
	register long size __asm__("x3") = 8;

	__asm__ volatile("svc #0"
			 : "+r"(result)
			 : "r"(number), "r"(set), "r"(old), "r"(size)
			 : "memory");
#elif defined(__mips__)
	/* A set has 16 bytes here. $7 is the last argument, and whether it failed. */
	register long result __asm__("$2") = SYS_rt_sigprocmask;
	register long how __asm__("$4") = -1;
	register uintptr_t set __asm__("$5") = address & ~15ul;
	register long old __asm__("$6") = 0;
	register long size __asm__("$7") = 16;

	__asm__ volatile("syscall"
			 : "+r"(result), "+r"(size)
			 : "r"(how), "r"(set), "r"(old)
			 : "$1", "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$24",
			   "$25", "hi", "lo", "memory");
	result = size ? -result : result;
#endif
	/* NULL would be no set at all. */
	return address >= PAGE && result != -14; /* EFAULT */
}

/* All pages from the one of lo to the one of last, downwards; the first that is not is *gap. */
static bool all_readable(uintptr_t lo, uintptr_t last, uintptr_t *gap)
{
	lo &= ~(PAGE - 1);
	for (uintptr_t page = last & ~(PAGE - 1); page >= lo && page; page -= PAGE) {
		if (!unwind_stack__is_readable(page)) {
			*gap = page;
			return false;
		}
	}
	return true;
}

/* Is the stack at sp the one that ends at or before top? */
static bool try_top(struct unwind_own_stack *own, uintptr_t sp, uintptr_t top)
{
	uintptr_t gap;

	top &= ~(uintptr_t)7;
	if (sp >= top || top - sp > MAX_STACK || !all_readable(sp, top - 1, &gap))
		return false;
	own->lo = sp & ~(PAGE - 1);
	own->hi = top;
	return true;
}

/*
 * The stack of a thread ends below its control block; that of the first, which the kernel made, at
 * the name of the program.
 */
static bool find_own(struct unwind_own_stack *own, uintptr_t sp)
{
	if (own->nr_trials >= MAX_TRIALS)
		return false;
	own->nr_trials++;
	if (try_top(own, sp, unwind_auxv__get(AT_EXECFN)))
		return true;
	return try_top(own, sp, unwind_stack__thread());
}

/* Has the thread's own stack grown down to sp? */
static bool grow_own(struct unwind_own_stack *own, uintptr_t sp)
{
	if (sp >= own->lo || sp < own->gap || own->lo - sp > MAX_STACK)
		return false;
	if (!all_readable(sp, own->lo - 1, &own->gap))
		return false;
	own->lo = sp & ~(PAGE - 1);
	return true;
}

bool unwind_stack__find(uintptr_t sp)
{
	struct unwind_own_stack *own = &unwind_own_stack;

	return own->hi ? grow_own(own, sp) : find_own(own, sp);
}

/*
 * The thread's own stack has been found whole: nothing of it is outside. Of another, page by page,
 * as a walk comes there.
 */
bool unwind_stack__extend(struct unwind_window *window, uintptr_t address)
{
	uintptr_t page = address & ~(PAGE - 1);

	if (window->is_own || address & 7 || !page || !unwind_stack__is_readable(page))
		return false;
	if (page != window->hi)
		window->lo = page;
	window->hi = page + PAGE;
	return true;
}
