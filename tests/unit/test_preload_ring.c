// SPDX-License-Identifier: BSD-2-Clause
/* The ring of the preload library: one thread looks at each rule, then many at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

#define DATA_BYTES RING_MIN_SIZE

static struct ring *make_ring(void)
{
	struct ring *ring = calloc(1, sizeof(*ring) + DATA_BYTES);

	assert_true(ring__init(ring, sizeof(*ring) + DATA_BYTES, 7));
	return ring;
}

static void put(struct ring *ring, uint16_t type, uint16_t size, uint32_t pid)
{
	struct wire_head *head = ring__reserve(ring, size, NULL);

	assert_non_null(head);
	head->pid = pid;
	ring__commit(head, type, size);
}

static uint32_t take(struct ring *ring, void *to, uint32_t room)
{
	uint32_t nr = 0;

	ring__take(ring, ring->head, to, room, &nr);
	return nr;
}

static bool is_zero(const struct ring *ring)
{
	const uint8_t *data = (const uint8_t *)ring + ring->data_offset;

	for (uint32_t i = 0; i < ring->data_size; i++)
		if (data[i])
			return false;
	return true;
}

static void test_init(void **state)
{
	struct ring *ring = make_ring();

	assert_int_equal(ring->data_size, DATA_BYTES);
	assert_int_equal(ring->magic, RING_MAGIC);
	assert_false(ring__init(ring, DATA_BYTES, 7));
	free(ring);
	ring = calloc(1, sizeof(*ring) + 3 * DATA_BYTES);
	assert_true(ring__init(ring, sizeof(*ring) + 3 * DATA_BYTES, 7));
	assert_int_equal(ring->data_size, 2 * DATA_BYTES);
	free(ring);
}

static void test_order_and_commit(void **state)
{
	struct ring *ring = make_ring();
	struct wire_head got[8], *late;

	put(ring, 1, 16, 1);
	late = ring__reserve(ring, 8, NULL);
	put(ring, 3, 8, 3);
	/* What is not committed holds up what comes behind it. */
	assert_int_equal(take(ring, got, sizeof(got)), 1);
	assert_int_equal(got[0].pid, 1);
	assert_int_equal(take(ring, got, sizeof(got)), 0);
	late->pid = 2;
	ring__commit(late, 2, 8);
	assert_int_equal(take(ring, got, sizeof(got)), 2);
	assert_int_equal(got[0].pid, 2);
	assert_int_equal(got[1].pid, 3);
	assert_int_equal(ring__used(ring), 0);
	assert_true(is_zero(ring));
	free(ring);
}

static void test_room(void **state)
{
	struct ring *ring = make_ring();
	uint8_t got[64];

	for (uint32_t i = 0; i < DATA_BYTES / 32; i++)
		put(ring, 1, 32, i);
	assert_null(ring__reserve(ring, 8, NULL));
	/* Whole records only. */
	assert_int_equal(take(ring, got, 40), 1);
	assert_null(ring__reserve(ring, 40, NULL));
	assert_non_null(ring__reserve(ring, 32, NULL));
	ring__count_lost(ring, 3);
	assert_int_equal(ring->lost, 3);
	ring__reset(ring, 9);
	assert_int_equal(ring->lost, 0);
	assert_int_equal(ring->producer, 9);
	assert_true(is_zero(ring));
	free(ring);
}

/* A record that does not fit before the end stands at the beginning; positions pass 2^32. */
static void test_wrap(void **state)
{
	struct ring *ring = make_ring();
	uint8_t got[64];

	ring->head = ring->tail = 0xffffffe0u - 40;
	for (uint32_t i = 0; i < 10000; i++) {
		put(ring, 1, 40, i);
		put(ring, 2, 24, ~i);
		assert_int_equal(take(ring, got, sizeof(got)), 2);
		assert_int_equal(((struct wire_head *)got)->pid, i);
		assert_int_equal(((struct wire_head *)(got + 40))->pid, ~i);
	}
	assert_true(is_zero(ring));
	free(ring);
}

/* A thread that was about to write never does. */
static void test_give_up(void **state)
{
	struct ring *ring = make_ring();
	struct ring_claim claim = { 0 };
	struct wire_head got[8];

	ring->head = ring->tail = DATA_BYTES - 16;
	assert_false(ring__is_open(ring, &claim));
	assert_non_null(ring__reserve(ring, 24, &claim));
	assert_ptr_equal(claim.at, (char *)ring + ring->data_offset);
	put(ring, 1, 16, 5);
	assert_int_equal(take(ring, got, sizeof(got)), 0);
	assert_true(ring__is_open(ring, &claim));
	ring__give_up(ring, &claim);
	assert_false(ring__is_open(ring, &claim));
	assert_int_equal(take(ring, got, sizeof(got)), 1);
	assert_int_equal(got[0].pid, 5);
	/* It is behind the consumer. */
	assert_false(ring__is_open(ring, &claim));
	/* Not even the gap at the end was filled. */
	ring->head = ring->tail = DATA_BYTES - 16;
	claim = (struct ring_claim){ .position = ring->head, .bytes = 16 + 24 };
	ring->head += 16 + 24;
	assert_true(ring__is_open(ring, &claim));
	ring__give_up(ring, &claim);
	assert_int_equal(take(ring, got, sizeof(got)), 0);
	assert_int_equal(ring__used(ring), 0);
	assert_true(is_zero(ring));
	free(ring);
}

static void test_discard_until(void **state)
{
	struct ring *ring = make_ring();
	uint32_t until, nr = 0;

	put(ring, 1, 8, 1);
	put(ring, 1, 8, 2);
	until = ring->head;
	put(ring, 1, 8, 3);
	assert_int_equal(ring__take(ring, until, NULL, 1u << 20, &nr), 16);
	assert_int_equal(nr, 2);
	assert_int_equal(ring__used(ring), 8);
	free(ring);
}

/* ---- many threads ---------------------------------------------------------------------------- */

#define NR_THREADS 4u
#define NR_RECORDS 100000u

struct numbered {
	struct wire_head head;
	uint64_t number;
	uint64_t filler[4];
};

struct producer {
	struct ring *ring;
	uint32_t number;
};

static void *produce(void *data)
{
	const struct producer *self = data;

	for (uint32_t i = 0; i < NR_RECORDS; i++) {
		uint16_t size = (uint16_t)(16 + i % 4 * 8);
		struct numbered *record;

		while (!(record = ring__reserve(self->ring, size, NULL)))
			sched_yield();
		record->head.pid = self->number;
		record->number = i;
		ring__commit(record, WIRE_ALLOC, size);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct ring *ring = make_ring();
	struct producer producers[NR_THREADS];
	pthread_t threads[NR_THREADS];
	uint64_t next[NR_THREADS] = { 0 }, buffer[1024];
	uint32_t left = NR_THREADS * NR_RECORDS;

	for (uint32_t i = 0; i < NR_THREADS; i++) {
		producers[i] = (struct producer){ ring, i };
		assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
	}
	while (left) {
		uint32_t nr = 0, bytes = ring__take(ring, ring->head, buffer, sizeof(buffer), &nr);

		for (uint32_t at = 0; at < bytes;) {
			const struct numbered *record = (void *)((char *)buffer + at);

			assert_int_equal(record->number, next[record->head.pid]++);
			at += record->head.size;
		}
		left -= nr;
	}
	for (uint32_t i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(ring__used(ring), 0);
	assert_true(is_zero(ring));
	free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),	     cmocka_unit_test(test_order_and_commit),
		cmocka_unit_test(test_room),	     cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_give_up),
		cmocka_unit_test(test_discard_until), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
