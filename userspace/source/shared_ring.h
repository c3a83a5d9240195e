/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The consumer's end of a ring that a process of the run shares (bpf/ring_abi.h). Nothing in that
 * memory is believed: it may change at any moment, so each record is copied before it is looked at,
 * and what makes no sense closes the ring.
 */
#ifndef SHARED_RING_H
#define SHARED_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring_abi.h"

struct shared_ring {
	struct ring *ring; /* NULL: none */
	size_t mapped_bytes;
	/* Copies: the memory may say something else later. */
	uint8_t *data;
	const uint8_t *catalogue;
	const struct ring_fork_slot *forks; /* RING_FORK_SLOTS */
	uint32_t data_size, catalogue_size;
	uint32_t producer, parent, starter;
	uint32_t tail, catalogue_at;
	uint32_t nr_lost_told;
	bool closed, broken;
};

enum shared_ring_state {
	SHARED_RING_EMPTY, /* as far as `until` */
	SHARED_RING_TAKEN,
	SHARED_RING_WAITS, /* for a thread that has not committed what it reserved */
};

/* Maps the ring in a sealed memfd, which stays the caller's. 0, or -errno: -EBADMSG for one that is
 * none. */
int shared_ring__open(struct shared_ring *ring, int fd);
void shared_ring__close(struct shared_ring *ring); /* the producers are told */

/* Nobody reads any more: what is in it can still be taken. */
void shared_ring__stop(struct shared_ring *ring);

/* Where the next reservation begins. */
uint32_t shared_ring__head(struct shared_ring *ring);
/* Bytes from the tail on that are not taken yet. */
uint32_t shared_ring__waiting(struct shared_ring *ring);

/*
 * Takes the next record before the position `until`, which shared_ring__head has returned, to
 * buffer (of WIRE_MAX_RECORD bytes, aligned to 8). It is whole, and what is in it need not be true.
 * One of type RING_FORK stays: shared_ring__pass takes it away.
 */
enum shared_ring_state shared_ring__take(struct shared_ring *ring, uint32_t until, void *buffer);
void shared_ring__pass(struct shared_ring *ring);

/* What is known of a fork by now. */
struct ring_fork_slot shared_ring__fork(const struct shared_ring *ring,
					const struct ring_fork *fork);

/* The next record of the catalogue, likewise; false: there are no more. */
bool shared_ring__take_catalogue(struct shared_ring *ring, void *buffer);

/* Records dropped since this was last asked. */
uint32_t shared_ring__nr_lost(struct shared_ring *ring);

#endif /* SHARED_RING_H */
