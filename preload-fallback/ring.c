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

void *ring__reserve(struct ring *ring, uint32_t n, struct ring_claim *claim)
{
	uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
	uint32_t size = ring->data_size;
	uint32_t tail, to_end, gap;
	struct ring_claim nobodys;

	claim = claim ? claim : &nobodys;
	claim->at = NULL;
	do {
		tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
		to_end = size - (head & (size - 1));
		gap = to_end < n ? to_end : 0;
		/* A head that is older than this tail fails the exchange, and is read anew. */
		if (head - tail <= size && head - tail + gap + n > size) {
			claim->bytes = 0;
			return NULL;
		}
		claim->position = head;
		claim->bytes = gap + n;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	} while (!__atomic_compare_exchange_n(&ring->head, &head, head + gap + n, true,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (gap)
		ring__commit(data_of(ring, head), RING_PAD, (uint16_t)gap);
	claim->position = head + gap;
	claim->bytes = n;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	claim->at = data_of(ring, head + gap);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return data_of(ring, head + gap);
}

/* Of what a claim is about: the part up to the end of the data, and the one at its beginning. */
static uint32_t first_part(const struct ring *ring, const struct ring_claim *claim)
{
	uint32_t to_end = ring->data_size - (claim->position & (ring->data_size - 1));

	return claim->bytes < to_end ? claim->bytes : to_end;
}

static bool is_open_at(struct ring *ring, uint32_t position)
{
	uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
	uint32_t used = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - tail;

	return position - tail < used &&
	       !__atomic_load_n((uint32_t *)data_of(ring, position), __ATOMIC_ACQUIRE);
}

bool ring__is_open(struct ring *ring, const struct ring_claim *claim)
{
	uint32_t first = first_part(ring, claim);

	return claim->bytes &&
	       (is_open_at(ring, claim->position) ||
		(first < claim->bytes && is_open_at(ring, claim->position + first)));
}

void ring__give_up(struct ring *ring, const struct ring_claim *claim)
{
	uint32_t first = first_part(ring, claim), second = claim->bytes - first;

	if (second && is_open_at(ring, claim->position + first))
		ring__commit(data_of(ring, claim->position + first), RING_PAD, (uint16_t)second);
	if (is_open_at(ring, claim->position))
		ring__commit(data_of(ring, claim->position), RING_PAD, (uint16_t)first);
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

/* How many bytes of committed records lie side by side at the tail, up to `until` and the end of
 * the data, of which up to `room` are taken. Adds their number to *nr_records. */
static uint32_t count_run(struct ring *ring, uint32_t until, uint32_t room, uint32_t *nr_records)
{
	uint32_t to_end = ring->data_size - (ring->tail & (ring->data_size - 1));
	uint32_t left = until - ring->tail < to_end ? until - ring->tail : to_end, run = 0;
	const uint8_t *at = data_of(ring, ring->tail);
	union first_word first;

	while (run < left) {
		first.word = __atomic_load_n((const uint32_t *)(at + run), __ATOMIC_ACQUIRE);
		if (!first.word || first.head.type == RING_PAD || first.head.size > room - run)
			break;
		run += first.head.size;
		++*nr_records;
	}
	return run;
}

/* The size of the gap that is at the tail, or 0. */
static uint32_t gap_at_tail(struct ring *ring, uint32_t until)
{
	union first_word first = { .word = 0 };

	if (ring->tail != until)
		first.word = __atomic_load_n((uint32_t *)data_of(ring, ring->tail),
					     __ATOMIC_ACQUIRE);
	return first.head.type == RING_PAD ? first.head.size : 0;
}

uint32_t ring__take(struct ring *ring, uint32_t until, void *to, uint32_t room,
		    uint32_t *nr_records)
{
	uint32_t taken = 0, passed;

	do {
		uint8_t *at = data_of(ring, ring->tail);
		uint32_t run = count_run(ring, until, room - taken, nr_records);

		if (run && to)
			memcpy((uint8_t *)to + taken, at, run);
		taken += run;
		passed = run ? run : gap_at_tail(ring, until);
		memset(at, 0, passed);
		__atomic_store_n(&ring->tail, ring->tail + passed, __ATOMIC_RELEASE);
	} while (passed);
	return taken;
}
