/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of code that a program made while it ran, as JIT compilers write them for perf: a file of
 * lines "START SIZE NAME", the numbers hexadecimal (tools/perf/Documentation/jit-interface.txt of
 * Linux). It grows while the program runs, and code that was replaced keeps its older lines.
 *
 * The file is hostile: lines that make no sense are skipped, time and memory are bounded.
 */
#ifndef PERFMAP_H
#define PERFMAP_H

#include <stdint.h>

#define PERFMAP_MAX_NAME 1024 /* bytes; longer ones are cut */

/*
 * Reads the file on fd and calls found for each of nr return addresses that has a name, in no
 * order: the name that the last line around address - 1 gives. addresses are ascending. A line
 * without an end is still being written and does not count. 0, or -errno when it cannot be read.
 */
int perfmap__lookup(int fd, const uint64_t *addresses, uint32_t nr,
		    void (*found)(uint32_t index, const char *name, void *data), void *data);

#endif /* PERFMAP_H */
