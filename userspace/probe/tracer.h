/* SPDX-License-Identifier: BSD-2-Clause */
/* Is a program one that traces others (strace, gdb)? */
#ifndef TRACER_H
#define TRACER_H

#include <stdbool.h>

struct elf_file;

/* Is it a program that calls ptrace()? False for a static one without symbols. */
bool tracer__is(struct elf_file *elf);

#endif /* TRACER_H */
