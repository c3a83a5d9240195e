/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which loaded file an address is in, and where its unwind tables are.
 */
#ifndef UNWIND_MODULE_H
#define UNWIND_MODULE_H

#include <stdbool.h>
#include <stdint.h>

struct unwind_module {
	/* .eh_frame_hdr, and the readable segment it is in, which holds .eh_frame as well; NULL:
	 * the file has none */
	const uint8_t *index;
	uintptr_t readable, readable_end;
	uintptr_t code, code_end; /* the executable segment the address is in; equal: none */
};

/*
 * False: no file is loaded there (a JIT compiler's code; or nothing). *is_unloaded is set where
 * files have been unloaded since somebody last asked, else left. Waits, briefly, for another thread
 * that is changing the dynamic linker's list; never for one that holds any other lock.
 */
bool unwind_module__find(uintptr_t address, struct unwind_module *module, bool *is_unloaded);

/* Where the kernel starts the program; 0: not known. */
uintptr_t unwind_module__entry(void);

#endif /* UNWIND_MODULE_H */
