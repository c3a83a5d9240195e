/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unwind tables on disk, so that a file is compiled once: root's under /var/cache/heaptap, others'
 * under $XDG_CACHE_HOME/heaptap or ~/.cache/heaptap. The folder is 0700 and must be ours alone, or
 * it is not used; files are checked (owner, size, checksum, every index) before they are believed,
 * and written under a temporary name and renamed.
 */
#ifndef CACHE_H
#define CACHE_H

#include <stdbool.h>

#include "unwind/rows.h"

/*
 * The table of the file on fd: from the cache, else compiled and stored. The key is its build-id,
 * else device, inode, size and time of change. As cfi__compile. *from_cache may be NULL.
 */
struct unwind_table *cache__table(int fd, const char **problem, bool *from_cache);

#endif /* CACHE_H */
