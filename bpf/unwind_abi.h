/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unwind tables as the BPF programs read them. Userspace compiles a module's .eh_frame into rows; a
 * row is a link-time address and a rule that holds from there to the next row. Real programs need few
 * distinct rules, so rows name them by a 16-bit number.
 *
 * Rows live in blocks of 64, and blocks of 64 first addresses lead to them, level by level: a tree
 * with few steps, each a search inside one block of memory.
 */
#ifndef UNWIND_ABI_H
#define UNWIND_ABI_H

#include "wire.h" /* the fixed-width types */

/* How the canonical frame address (CFA: the stack pointer before the call) is found. */
enum {
	/* No rule. With UNWIND_RBP_LOST: there is one that does not fit in here, and userspace must
	 * finish the walk; without: there is no unwind information. */
	UNWIND_CFA_NONE = 0,
	UNWIND_CFA_RSP = 1,	  /* rsp + cfa_offset */
	UNWIND_CFA_RBP = 2,	  /* rbp + cfa_offset */
	UNWIND_CFA_RSP_DEREF = 3, /* *(rsp + cfa_offset) + cfa_extra */
	UNWIND_CFA_RBP_DEREF = 4, /* *(rbp + cfa_offset) + cfa_extra */
	UNWIND_CFA_PLT = 5,	  /* rsp + 8 + ((pc & 15) >= 11 ? 8 : 0), binutils' lazy PLT entries */
	UNWIND_CFA_SIGNAL = 6,	  /* the caller's registers are in the signal frame at rsp */
	UNWIND_CFA_END = 7,	  /* the outermost frame: nobody called it */
	UNWIND_CFA_JIT = 8,	  /* by the frame pointer; the walker's own, of UNWIND_MODULE_JIT */
};

/* Where the caller's rbp is. The return address is always at CFA - 8 (x86-64 psABI). */
enum {
	UNWIND_RBP_SAME = 0,
	UNWIND_RBP_SAVED = 1, /* at CFA + rbp_offset */
	UNWIND_RBP_LOST = 2,   /* not known any more */
	UNWIND_RBP_AT_RBP = 3, /* at rbp + rbp_offset, rbp being the frame's own */
};

struct unwind_rule {
	uint8_t cfa; /* UNWIND_CFA_* */
	uint8_t rbp; /* UNWIND_RBP_* */
	int16_t rbp_offset;
	int32_t cfa_offset;
	int32_t cfa_extra; /* of the DEREF kinds */
};
_Static_assert(sizeof(struct unwind_rule) == 12, "unwind layout");

#define UNWIND_MAX_RULES 65536

#define UNWIND_BLOCK_ROWS 64
struct unwind_block {
	uint32_t pc[UNWIND_BLOCK_ROWS];	  /* from the module's base; unused: ~0 */
	uint16_t rule[UNWIND_BLOCK_ROWS]; /* of leaves */
};
_Static_assert(sizeof(struct unwind_block) == 384, "unwind layout");

/* Levels of a module's tree: 64^4 rows are more than any file has. */
#define UNWIND_MAX_LEVELS 4

struct unwind_module {
	uint64_t base;			   /* link-time address that the rows' addresses count from */
	uint32_t level[UNWIND_MAX_LEVELS]; /* number of the first block; level 0: the leaves */
	uint32_t nr_levels;		   /* 0: no rows */
	uint32_t pad;
};
_Static_assert(sizeof(struct unwind_module) == 32, "unwind layout");
#define UNWIND_MAX_MODULES 8192

/* Blocks come in chunks, so that memory is taken as modules need it. */
#define UNWIND_CHUNK_BLOCKS 2048
#define UNWIND_MAX_CHUNKS 512

/* Code without a file (made by a JIT compiler): frame pointers are followed through it. */
#define UNWIND_MODULE_JIT 0xffffffffu
/* Code of a file whose rows could not be made or are not there yet. */
#define UNWIND_MODULE_UNKNOWN 0xfffffffeu

/*
 * Executable mappings of a process, sorted by start, in blocks of 128; unused: start 2^63 - 1. The
 * blocks of a view stand behind one another. All processes have theirs in one array: a map a process,
 * in a map of maps, would have the loader wait for the kernel with each new one.
 */
#define UNWIND_BLOCK_RANGES 128
struct unwind_range {
	uint64_t end;
	uint64_t bias; /* address - link-time address */
	uint32_t module;
	uint32_t pad;
};
struct unwind_range_block {
	uint64_t start[UNWIND_BLOCK_RANGES];
	struct unwind_range range[UNWIND_BLOCK_RANGES];
};
#define UNWIND_MAX_RANGE_BLOCKS 32 /* of a view */
#define UNWIND_MAX_RANGES (UNWIND_MAX_RANGE_BLOCKS * UNWIND_BLOCK_RANGES)

/* A view of what is mapped: where its blocks are, and where each begins; unused: 2^63 - 1. */
struct unwind_view {
	uint64_t start[UNWIND_MAX_RANGE_BLOCKS];
	uint32_t first_block;
	uint32_t pad;
};

/* Processes watched at a time. Slot 0 is nobody's. */
#define UNWIND_MAX_SLOTS 4096

/* What the programs know of a watched process, by slot. Written by the loader, but for the epoch. */
struct unwind_process {
	uint32_t slot;
	uint32_t serial; /* another number for each process that has had the slot */
	/* Counts the loader's changes of the ranges, from 1; its last bit tells which view is whole. */
	uint32_t ranges_view;
	/* Counts how often all addresses got a new meaning (exec): stacks known so far are then
	 * unknown. */
	uint32_t address_epoch;
	/* The value of address_epoch that the views are of. */
	uint32_t ranges_epoch;
	/* Whose heap it works on: its own thread group id, or until exec that of the parent whose
	 * memory it shares (vfork). Records carry it. */
	uint32_t pid;
	/* Set by the programs after they sent the process SIGSTOP, cleared by the loader before it
	 * sends SIGCONT: because the ring fills, or because something must be seen to first. */
	uint32_t stopped;
	uint32_t held;
	struct unwind_view views[2]; /* one is read while the loader writes the other */
};
_Static_assert(sizeof(struct unwind_process) == 32 + 2 * 264, "unwind layout");

/* Signal frame of Linux x86-64: offsets from rsp at the return into the trampoline (struct rt_sigframe
 * without its return address, arch/x86/include/asm/sigframe.h; struct sigcontext_64). */
#define UNWIND_SIGNAL_RBP 120
#define UNWIND_SIGNAL_RSP 160
#define UNWIND_SIGNAL_RIP 168

/* How a walk stands. */
enum unwind_status {
	UNWIND_GOING = 0,
	UNWIND_COMPLETE = 1, /* the outermost frame was reached */
	UNWIND_CUT = 2,	     /* there are more frames than room */
	UNWIND_GAP = 3,	     /* code without unwind information: nobody can go on */
	UNWIND_UNKNOWN = 4,  /* a rule the tables cannot hold, or a mapping not known yet */
	UNWIND_LOST = 5,     /* the stack makes no sense or cannot be read */
	UNWIND_JOINED = 6,   /* the rest is known from another walk */
};

#endif /* UNWIND_ABI_H */
