/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads that have allocated from one heap: tids as small numbers that fit into a block, and
 * what each allocated last. */
#ifndef THREADS_H
#define THREADS_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* Threads beyond so many share the last slot: they are counted, but not told apart. */
#define THREADS_MAX   65535u
#define THREADS_OTHER (THREADS_MAX - 1)

struct thread {
	uint32_t tid;
	uint64_t last_addr; /* of the block it allocated last; 0: none */
};

/* Zero-initialise. */
struct threads {
	struct thread *all;
	size_t nr, capacity;
	struct hmap by_tid; /* -> slot */
	uint32_t last_tid;  /* asked for last, and its slot */
	uint16_t last_slot;
};

/* The slot of a thread, added where new. */
uint16_t threads__slot(struct threads *threads, uint32_t tid);
/* The tid of a slot; 0 for THREADS_OTHER and for slots never given out. */
uint32_t threads__tid(const struct threads *threads, uint16_t slot);
struct threads threads__copy(const struct threads *threads);
void threads__clear(struct threads *threads);

#endif /* THREADS_H */
