// SPDX-License-Identifier: BSD-2-Clause
#include "ring.h"

#include <stddef.h>
#include <string.h>

/* The first word of a record, as the fields type and size have it in this machine's order. */
union first_word {
	struct {
		uint16_t type;
		uint16_t size;
	} head;
	uint32_t word;
};

static uint8_t *data_of(struct ring *ring, uint32_t position)
{
	return (uint8_t *)ring + ring->data_offset + (position & (ring->data_size - 1));
}

bool ring__init(struct ring *ring, uint32_t bytes, uint32_t producer)
{
	uint32_t size = RING_MIN_SIZE;

	if (bytes < RING_MIN_SIZE + sizeof(*ring))
		return false;
	while (size <= (bytes - sizeof(*ring)) / 2 && size < RING_MAX_SIZE)
		size *= 2;
	ring->version = RING_VERSION;
	ring->data_offset = sizeof(*ring);
	ring->data_size = size;
	ring->producer = producer;
	__atomic_store_n(&ring->magic, RING_MAGIC, __ATOMIC_RELEASE);
	return true;
}

void ring__reset(struct ring *ring, uint32_t producer)
{
	memset((uint8_t *)ring + ring->data_offset, 0, ring->data_size);
	ring->head = ring->tail = ring->lost = ring->flags = 0;
	ring->producer = producer;
}

void ring__commit(void *reserved, uint16_t type, uint16_t size)
{
	union first_word first = { .head = { type, size } };

	__atomic_store_n((uint32_t *)reserved, first.word, __ATOMIC_RELEASE);
}

void *ring__reserve(struct ring *ring, uint32_t n)
{
	uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
	uint32_t size = ring->data_size;
	uint32_t tail, to_end, gap;

	do {
		tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
		to_end = size - (head & (size - 1));
		gap = to_end < n ? to_end : 0;
		/* A head that is older than this tail fails the exchange, and is read anew. */
		if (head - tail <= size && head - tail + gap + n > size)
			return NULL;
	} while (!__atomic_compare_exchange_n(&ring->head, &head, head + gap + n, true,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (gap)
		ring__commit(data_of(ring, head), RING_PAD, (uint16_t)gap);
	return data_of(ring, head + gap);
}

void ring__count_lost(struct ring *ring, uint32_t nr_records)
{
	__atomic_fetch_add(&ring->lost, nr_records, __ATOMIC_RELAXED);
}

uint32_t ring__used(const struct ring *ring)
{
	uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - tail;
}

uint32_t ring__take(struct ring *ring, uint32_t until, void *to, uint32_t room,
		    uint32_t *nr_records)
{
	uint32_t taken = 0;

	while (ring->tail != until) {
		uint8_t *at = data_of(ring, ring->tail);
		union first_word first;

		first.word = __atomic_load_n((uint32_t *)at, __ATOMIC_ACQUIRE);
		if (!first.word)
			break;
		if (first.head.type != RING_PAD) {
			if (first.head.size > room - taken)
				break;
			if (to)
				memcpy((uint8_t *)to + taken, at, first.head.size);
			taken += first.head.size;
			++*nr_records;
		}
		memset(at, 0, first.head.size);
		__atomic_store_n(&ring->tail, ring->tail + first.head.size, __ATOMIC_RELEASE);
	}
	return taken;
}
