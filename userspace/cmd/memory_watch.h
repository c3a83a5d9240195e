/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An eye on heaptap's own memory while it reads a recording: a small file can hold a large heap,
 * and a hostile one a heap larger than any machine.
 */
#ifndef MEMORY_WATCH_H
#define MEMORY_WATCH_H

#include <stdint.h>

struct wire_head;

struct memory_watch {
	uint64_t limit_bytes;  /* UINT64_MAX: there is none */
	uint64_t unseen_bytes; /* of records since it was looked last */
};

/* limit_bytes 0: three quarters of what the machine has. */
struct memory_watch memory_watch__new(uint64_t limit_bytes);

/* To be asked after every record: 0, or -ENOMEM when there is more memory in use than is allowed.
 * It looks when records have come that can hold much. */
int memory_watch__check(struct memory_watch *watch, const struct wire_head *record);

/* Says that reading of a file stops for that. */
void memory_watch__say(const struct memory_watch *watch, const char *file);

#endif /* MEMORY_WATCH_H */
