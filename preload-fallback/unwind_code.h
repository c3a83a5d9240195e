/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code, and what is known of it without tables.
 */
#ifndef UNWIND_CODE_H
#define UNWIND_CODE_H

#include <stdbool.h>
#include <stdint.h>

/* A return address as it was called from: arm64's may carry a signature in their upper bits. */
static inline uintptr_t unwind_code__address(uintptr_t address)
{
#ifdef __aarch64__
	if (address >> 48) {
		register uintptr_t lr __asm__("x30") = address;

		__asm__("hint #7" : "+r"(lr)); /* xpaclri; without signatures, nothing */
		return lr;
	}
#endif
	return address;
}

/* Is there a call in front of this address? Reads only what it has found readable. */
bool unwind_code__follows_call(uintptr_t address);

/* Is there, at this address, the instructions that leave a signal handler? */
bool unwind_code__is_sigreturn(uintptr_t address);

#endif /* UNWIND_CODE_H */
