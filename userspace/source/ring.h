/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reading side of a BPF ring buffer. Our own, because records must be taken up to a chosen
 * position: mappings are read from another buffer between the choice and the taking. Layout: Linux
 * kernel/bpf/ringbuf.c (a consumer page, a producer page, the data mapped twice).
 */
#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

#include "source/source.h"

struct ring {
	int fd; /* of the map; pollable */
	uint64_t *consumer;
	const uint64_t *producer;
	const uint8_t *data;
	size_t size, page;
};

/* map_fd stays the caller's. 0 or -errno. */
int ring__open(struct ring *ring, int map_fd, size_t size);
void ring__close(struct ring *ring);

/* The position behind the newest record, finished or not. */
uint64_t ring__head(const struct ring *ring);

/* Bytes that wait to be taken. */
uint64_t ring__waiting(const struct ring *ring);

/* Hands on the finished records in front of `until`; returns their number, or what take returned.
 */
long ring__take(struct ring *ring, uint64_t until, record_fn take, void *data);

#endif /* RING_H */
