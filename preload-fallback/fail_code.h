/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What code is loaded, as failure injection needs it: whose an address is, under an identity that
 * survives the next start of the program, and where the functions are that rules name. Bounded;
 * code that does not fit is nobody's.
 */
#ifndef PRELOAD_FAIL_CODE_H
#define PRELOAD_FAIL_CODE_H

#include <stdbool.h>
#include <stdint.h>

#define FAIL_CODE_BUILD_ID 20u
#define FAIL_CODE_PATH	   115u

/* An executable segment. end is written last; 0: it is gone. */
struct fail_object {
	uintptr_t start, end;
	uintptr_t bias; /* address less link-time address */
	uint32_t seen;	/* number of the refresh that saw it last */
	bool is_loader;
	bool has_protected; /* functions that are never failed: it is the C library */
	uint8_t path_len, build_id_len;
	uint64_t id; /* of the build-id, or of the file's name where there is none */
	uint8_t build_id[FAIL_CODE_BUILD_ID];
	char path[FAIL_CODE_PATH]; /* of a longer one, the end */
};

/* Zeroed memory, aligned to 8. function: whose code is looked for ("": none). allocator: an
 * address in the module that has the real malloc, which is no loader, whatever else it may be. */
void fail_code__init(void *memory, uint32_t bytes, const char *function, uintptr_t allocator);

/* Looks what is loaded now. Waits for another thread that does, and for the loader: not in a
 * signal handler. */
void fail_code__refresh(void);

/* NULL: unknown code. */
const struct fail_object *fail_code__of(uintptr_t address);

/* Is the address in the function that rules name; in one that is never failed? */
bool fail_code__is_wanted(uintptr_t address);
bool fail_code__is_protected(uintptr_t address);

/* The exported function that an address is in, cut to size - 1 bytes; and how far. "": none is
 * known. Waits for the loader. */
void fail_code__name(uintptr_t address, char *name, uint32_t size, uintptr_t *offset);

#endif /* PRELOAD_FAIL_CODE_H */
