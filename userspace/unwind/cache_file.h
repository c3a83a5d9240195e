/* SPDX-License-Identifier: BSD-2-Clause */
/* One table in one file of the cache's folder. Folders are open descriptors, checked by the caller;
 * files are believed only when everything about them is right. */
#ifndef CACHE_FILE_H
#define CACHE_FILE_H

#include <stdint.h>

#include "unwind/rows.h"

/* Which file a table was made from. Compared and hashed as bytes: no padding, unused bytes zero. */
struct cache_key {
	uint8_t id[64]; /* a build-id; else device, inode and time of change */
	uint64_t id_len;
	uint64_t is_build_id;
	uint64_t size;
	uint64_t vaddr; /* link-time address of the file's first byte */
};

/* NULL: not there, or not to be believed. */
struct unwind_table *cache_file__load(int folder, const struct cache_key *key);
/* Replaces what is there at once or not at all. 0 or -errno. */
int cache_file__store(int folder, const struct cache_key *key, const struct unwind_table *table);
/* Removes the oldest files while all together are larger than max_bytes. */
void cache_file__prune(int folder, uint64_t max_bytes);

#endif /* CACHE_FILE_H */
