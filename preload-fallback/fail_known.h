/* SPDX-License-Identifier: BSD-2-Clause */
/* Ids of call paths that are known: a bounded table that is only ever added to, without a lock, and
 * the file it comes from: a line of 16 hexadecimal digits each. */
#ifndef PRELOAD_FAIL_KNOWN_H
#define PRELOAD_FAIL_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

struct fail_known_slot {
	uint32_t low, high; /* 0: nothing. low is written first */
};

struct fail_known {
	struct fail_known_slot *slots;
	uint32_t nr_slots; /* a power of two */
	uint32_t nr;	   /* taken */
	uint64_t read;	   /* bytes of the file that were */
};

/* Takes bytes bytes of zeroed memory, at least 16, aligned to 8. */
void fail_known__init(struct fail_known *known, void *memory, uint32_t bytes);

/* Any thread, also in a signal handler. */
bool fail_known__has(const struct fail_known *known, uint64_t id);
/* True: it was not there, and is now. False also where there is no room. */
bool fail_known__add(struct fail_known *known, uint64_t id);
bool fail_known__is_full(const struct fail_known *known);

/* Adds what is new in the file since the last call. One thread at a time. A file that cannot be
 * read has nothing; lines that are no id are passed over. */
void fail_known__read(struct fail_known *known, const char *path);

/* 16 digits and a NUL. */
void fail_known__hex(char *to, uint64_t id);

/* One write at the end of a file, which is made where there is none. Errors: -errno. */
int fail_known__append(const char *path, const void *data, uint32_t len);

#endif /* PRELOAD_FAIL_KNOWN_H */
