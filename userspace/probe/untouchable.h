/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions by which no allocation is ever made to fail: a failure in there would say nothing of
 * the program, which ends, or goes on without being told. They register what is to run at the end,
 * load libraries and start threads.
 */
#ifndef UNTOUCHABLE_H
#define UNTOUCHABLE_H

#include <stdbool.h>
#include <stddef.h>

struct elf_file;
struct probe_site;

/* Is it the symbol of one, whatever its version? */
bool untouchable__is(const char *symbol);

/*
 * Sites at the entries of those that elf has, added behind the nr of *sites, which grows: watched
 * to their returns like an outermost call that asks for nothing, so that what they call is none of
 * the program's. Frames would not do, for glibc's jump into functions without names. Returns how
 * many there are now.
 */
size_t untouchable__add_sites(struct elf_file *elf, struct probe_site **sites, size_t nr);

#endif /* UNTOUCHABLE_H */
