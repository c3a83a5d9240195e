/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words of the stack, read without ever faulting. Tables may be wrong and frames overwritten, and a
 * program must not die of being watched: so a word is read only where memory has been found
 * readable.
 *
 * A thread's own stack stays mapped as long as the thread lives, so what was found of it is kept.
 * Other stacks (of signal handlers, of coroutines) may be gone at the next walk and are found out
 * about again in each.
 */
#ifndef UNWIND_STACK_H
#define UNWIND_STACK_H

#include <stdbool.h>
#include <stdint.h>

#define unwind_unlikely(condition) __builtin_expect(!!(condition), 0)

/* Readable memory from lo to hi, at least a word of it, or lo == hi. */
struct unwind_window {
	uintptr_t lo, hi;
	bool is_own; /* of the thread's own stack */
};

/* Of a thread. Only unwind_stack.c writes to it. */
struct unwind_own_stack {
	uintptr_t lo, hi; /* what is known to be readable; 0: nothing yet */
	uintptr_t gap;	  /* an address below lo that is not; what is below that is another's */
	unsigned nr_trials;
};

extern __thread struct unwind_own_stack unwind_own_stack
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* sp is not known to be on the thread's own stack. True: now it is. */
bool unwind_stack__find(uintptr_t sp);

/* The stack that sp is on, as far as it is known. */
static inline void unwind_stack__open(struct unwind_window *window, uintptr_t sp)
{
	const struct unwind_own_stack *own = &unwind_own_stack;

	if (unwind_unlikely(sp - own->lo >= own->hi - own->lo) && !unwind_stack__find(sp)) {
		*window = (struct unwind_window){ 0 };
		return;
	}
	window->lo = own->lo;
	window->hi = own->hi;
	window->is_own = true;
}

/* Looks further: whether a word can be read at an address that is not in the window. The window
 * then holds it. */
bool unwind_stack__extend(struct unwind_window *window, uintptr_t address);

/* Can the 8 bytes at an address be read? They must not cross a page. A system call. */
bool unwind_stack__is_readable(uintptr_t address);

/* Where this thread's control block is: for other threads it is another address. */
static inline uintptr_t unwind_stack__thread(void)
{
	uintptr_t pointer;

#if defined(__x86_64__)
	__asm__("mov %%fs:0, %0" : "=r"(pointer));
#elif defined(__aarch64__)
	__asm__("mrs %0, tpidr_el0" : "=r"(pointer));
#elif defined(__mips__)
	/* rdhwr $3, $29, which no older release's assembler knows; kernels emulate it for $3. The
	 * thread's variables follow its block, and the register points into their middle. */
	register uintptr_t middle __asm__("$3");

	__asm__(".word 0x7c03e83b" : "=r"(middle));
	pointer = middle - 0x7000;
#else
#error "unwind_stack: no such architecture"
#endif
	return pointer;
}

/* A word of memory that is known to be readable. The sanitizers must not judge whose it is. */
static inline uintptr_t unwind_stack__load(uintptr_t address)
{
#ifdef __SANITIZE_ADDRESS__
	uintptr_t word;

#ifdef __x86_64__
	__asm__ volatile("mov (%1), %0" : "=r"(word) : "r"(address) : "memory");
#else
	__asm__ volatile("ldr %0, [%1]" : "=r"(word) : "r"(address) : "memory");
#endif
	return word;
#else
	return *(const volatile uintptr_t *)address;
#endif
}

/* A word at an address that is a multiple of 8. */
static inline bool unwind_stack__word(struct unwind_window *window, uintptr_t address,
				      uintptr_t *word)
{
	if (unwind_unlikely(address - window->lo >= window->hi - window->lo) &&
	    !unwind_stack__extend(window, address))
		return false;
	*word = unwind_stack__load(address);
	return true;
}

#endif /* UNWIND_STACK_H */
