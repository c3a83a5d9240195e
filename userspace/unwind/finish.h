/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks the kernel could not finish: from registers and a copy of the top of the stack, with
 * libdwfl (elfutils), which knows every kind of rule. Also the oracle the fast walker is tested
 * against.
 */
#ifndef FINISH_H
#define FINISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers by DWARF number (x86-64 psABI figure 3.36: rax rdx rcx rbx rsi rdi rbp rsp r8..r15, 16
 * is the return address column: the pc). */
#define FINISH_NR_REGS 17

struct finish;

/*
 * Files are read in a child process, forked at the first walk; it has none of our descriptors. When
 * it dies or hangs (2 s) on a hostile file, that walk has one frame, the module is named in a
 * warning and not read again; after three such deaths all walks have one frame.
 */
struct finish *finish__new(void);
void finish__free(struct finish *finish);

/* A module whose code at link-time address vaddr is mapped at [start, end); fd stays the caller's,
 * must be the file's and stay open; path is for messages. A later mapping replaces what it
 * overlaps. */
void finish__map(struct finish *finish, uint64_t start, uint64_t end, uint64_t vaddr, int fd,
		 const char *path);

/*
 * Walks from regs. The stack's bytes [stack_address, stack_address + len) are in stack; nothing
 * else of the memory is known. is_return: the pc is a return address (a call's), not the address of
 * an instruction that was interrupted. Writes at most max return addresses, the first being the pc
 * itself (max >= 1), one more where it is no return address; *complete tells whether the outermost
 * frame was reached (its unwind information says so, or its return address is 0). Nothing is
 * guessed: where there is no unwind information, or memory that is not known, the walk ends.
 * Returns their number, >= 1.
 */
size_t finish__walk(struct finish *finish, const uint64_t regs[FINISH_NR_REGS], bool is_return,
		    const void *stack, uint64_t stack_address, size_t len, uint64_t *frames,
		    size_t max, bool *complete);

#endif /* FINISH_H */
