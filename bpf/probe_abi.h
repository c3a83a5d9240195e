/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the loader tells the BPF programs about a probe, packed into the 64-bit attach cookie:
 *
 *   bits  0..15  function number of alloc_api.h
 *   bits 16..20  register that holds the size at the probed instruction, PROBE_NO_REG: none
 *   bits 21..25  register of the element count; with PROBE_ROLE_MAPPING of mmap's flags
 *   bits 26..30  register of the block given back (free, realloc)
 *   bits 31..35  register of the out pointer (posix_memalign)
 *   bits 36..43  8-byte words pushed since the function was entered
 *   bits 44..47  PROBE_ROLE_*
 *   bits 48..63  slot of the process (unwind_abi.h), set when the probe is attached
 *
 * Registers are numbered as the architecture encodes them (x86-64: rax 0, rcx 1, rdx 2, rbx 3,
 * rsp 4, rbp 5, rsi 6, rdi 7, r8 8 ... r15 15).
 */
#ifndef PROBE_ABI_H
#define PROBE_ABI_H

#define PROBE_NO_REG 31u
#define PROBE_SIZE_SHIFT 16
#define PROBE_COUNT_SHIFT 21
#define PROBE_PTR_SHIFT 26
#define PROBE_OUT_SHIFT 31
#define PROBE_PUSHED_SHIFT 36
#define PROBE_ROLE_SHIFT 44
#define PROBE_SLOT_SHIFT 48

#define PROBE_ROLE_FREE 1u /* frees; only the entry is watched */
#define PROBE_ROLE_RETURNING 2u /* allocates, or frees and may call another free: to its return */
/*
 * A call inside the C library that gives free what is no block of the program's: at a thread's end glibc
 * hands its cache of freed blocks, and the cache itself, to its own free.
 */
#define PROBE_ROLE_INTERNAL_FREE 3u

/* The dynamic loader tells debuggers that what is loaded has changed. */
#define PROBE_ROLE_LOADED 4u

/* Resizes a block where it is, and returns how large that is now: to its return (jemalloc's xallocx). */
#define PROBE_ROLE_RESIZING 5u
/* Returns a mapping, or -1: to its return. What is not anonymous, or takes no room, does not count. */
#define PROBE_ROLE_MAPPING 6u
/*
 * Allocates, but an exception may leave it: C++'s unwinder does not get past the trampoline of a return
 * probe, and ends the program. So the instructions that return are watched themselves.
 */
#define PROBE_ROLE_THROWING 7u
#define PROBE_ROLE_RETURN 8u /* such an instruction */

/* Is the return watched, too? */
#define PROBE_ROLE_RETURNS(role) \
	((role) == PROBE_ROLE_RETURNING || (role) == PROBE_ROLE_RESIZING || (role) == PROBE_ROLE_MAPPING)

#define PROBE_FUNC(cookie) ((uint16_t)(cookie))
#define PROBE_REG(cookie, shift) ((uint32_t)((cookie) >> (shift)) & 31u)
#define PROBE_ROLE(cookie) ((uint32_t)((cookie) >> PROBE_ROLE_SHIFT) & 15u)
#define PROBE_PUSHED(cookie) ((uint32_t)((cookie) >> PROBE_PUSHED_SHIFT) & 255u)

#define PROBE_SLOT(cookie) ((uint32_t)((cookie) >> PROBE_SLOT_SHIFT))

#endif /* PROBE_ABI_H */
