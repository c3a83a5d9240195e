/* SPDX-License-Identifier: BSD-2-Clause */
/* Both ends of the ring that bpf/ring_abi.h describes. No function waits, allocates or touches
 * errno; all but the consumer's may be called in signal handlers. */
#ifndef PRELOAD_RING_H
#define PRELOAD_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "ring_abi.h"

/* Makes a ring of `bytes` bytes of zeroed memory aligned to 8, header included. False: too few. */
bool ring__init(struct ring *ring, uint32_t bytes, uint32_t producer);

/* Empties it: in a forked child, where no other thread and no consumer knows it. */
void ring__reset(struct ring *ring, uint32_t producer);

/*
 * What a thread has in hand, kept where it can be found should the thread never come back to it. at
 * NULL: it was about to be reserved, and may have been.
 */
struct ring_claim {
	uint32_t bytes; /* 0: nothing */
	uint32_t position;
	void *at;
};

/* n bytes, a multiple of 8 and at most half the ring, aligned to 8 and zero; NULL: no room. The
 * claim, which may be NULL, is up to date all the time; after the commit its bytes are to be made
 * 0. */
void *ring__reserve(struct ring *ring, uint32_t n, struct ring_claim *claim);

/* Does the consumer wait, or will it, for a reservation where the claim says? */
bool ring__is_open(struct ring *ring, const struct ring_claim *claim);
/* It will not be written: the consumer passes it. */
void ring__give_up(struct ring *ring, const struct ring_claim *claim);

/* Makes a reservation visible, whose first record is of this type and size; what comes behind it
 * there is complete. */
void ring__commit(void *reserved, uint16_t type, uint16_t size);

void ring__count_lost(struct ring *ring, uint32_t nr_records);

/* Bytes between tail and head. */
uint32_t ring__used(const struct ring *ring);

/*
 * Consumer: moves whole committed records from the tail, up to the position `until` and as many as
 * fit into `room` bytes, to `to` (NULL: they are thrown away; room still counts). Returns their
 * bytes and adds the number of records to *nr_records.
 */
uint32_t ring__take(struct ring *ring, uint32_t until, void *to, uint32_t room,
		    uint32_t *nr_records);

#endif /* PRELOAD_RING_H */
