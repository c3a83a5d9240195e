/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulated MIPS: its ABI, its memory, its registers, and what its branches do. */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum guest_register { GUEST_A2 = 6, GUEST_SP = 29, GUEST_RA = 31 };

/* How a block of instructions ends, as far as the stack of calls is concerned. */
enum guest_branch {
	GUEST_OTHER,
	GUEST_CALL,   /* the return address is two instructions on (GUEST_COMPACT: one) */
	GUEST_RETURN, /* to what ra holds */
	GUEST_JUMP,   /* to what another register holds: a tail call, a switch, or longjmp */
};

/* System calls, in the numbers of the guest's ABI. */
struct guest_syscalls {
	int64_t prctl;
	int64_t rt_sigaction;
	int64_t execve;
};

struct guest {
	bool n64;
	bool big_endian;
	bool r6;	    /* compact branches instead of the coprocessor 2 they replaced */
	unsigned word_size; /* of a pointer, in bytes */
	uint64_t base; /* guest address + base = address in this process; set by guest__locate */
	struct guest_syscalls syscalls;
};

extern struct guest guest;

/* What QEMU calls its target: mips, mipsel or mips64el. False for any other. */
bool guest__is(const char *target_name);

/* Reads 4 bytes; addr must be readable to the guest, since a fault here ends the emulator. */
uint32_t guest__read_u32(uint64_t addr);

/* Reads a pointer or a long. */
uint64_t guest__read_word(uint64_t addr);

/* A register of the processor at env (QEMU's state of it) at the start of a block. */
uint64_t guest__register(const void *env, enum guest_register number);

/* Whether env is what guest__register takes it for: its program counter must be pc. */
bool guest__env_fits(const void *env, uint64_t pc);

/* What the instruction does; *compact becomes true where it has no delay slot. */
enum guest_branch guest__decode(uint32_t insn, bool *compact);

/* A copy of ra to $15 is how a lazy binding stub keeps it: the jalr behind that is no call. */
bool guest__is_stub_mark(uint32_t insn);

/* Whether addr is where the kernel has a signal handler return to: li v0, (rt_)sigreturn; syscall.
 */
bool guest__is_trampoline(uint64_t addr);

/* The context that the kernel stored for a handler, from the handler's third argument. */
struct guest_context {
	uint64_t pc;
	uint64_t sp;
};
struct guest_context guest__interrupted(uint64_t trampoline, uint64_t a2);

/* The handler in a struct sigaction of the kernel; 0 for none. */
uint64_t guest__handler(uint64_t sigaction_addr);

#endif /* GUEST_H */
