/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel told the program when it started it. */
#ifndef UNWIND_AUXV_H
#define UNWIND_AUXV_H

#include <stdint.h>

/* A value of the auxiliary vector (AT_ENTRY, AT_EXECFN ...); 0: there is none. Without getauxval in
 * the C library, a file is read each time. errno stays as it was. */
uintptr_t unwind_auxv__get(unsigned long type);

#endif /* UNWIND_AUXV_H */
