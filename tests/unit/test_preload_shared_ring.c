// SPDX-License-Identifier: BSD-2-Clause
/* heaptap's end of a shared ring: what a good library writes, and what a bad one may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring.h"
#include "source/shared_ring.h"

#define FORKS_AT     (sizeof(struct ring) + RING_MIN_SIZE)
#define CATALOGUE_AT (FORKS_AT + RING_FORK_SLOTS * sizeof(struct ring_fork_slot))
#define CATALOGUE    4096u
#define ALL_BYTES    (CATALOGUE_AT + CATALOGUE)

struct pair {
	int fd;
	struct ring *ring; /* the producer's view */
	struct shared_ring shared;
	uint64_t record[WIRE_MAX_RECORD / 8 + 1];
};

static void make(struct pair *pair, int seals)
{
	memset(pair, 0, sizeof(*pair));
	pair->fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(pair->fd >= 0);
	assert_int_equal(ftruncate(pair->fd, ALL_BYTES), 0);
	assert_int_equal(fcntl(pair->fd, F_ADD_SEALS, seals), 0);
	pair->ring = mmap(NULL, ALL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, pair->fd, 0);
	assert_true(pair->ring != MAP_FAILED);
	pair->ring->forks_offset = FORKS_AT;
	pair->ring->catalogue_offset = CATALOGUE_AT;
	pair->ring->catalogue_size = CATALOGUE;
	assert_true(ring__init(pair->ring, FORKS_AT, 7));
}

static void make_open(struct pair *pair)
{
	make(pair, F_SEAL_SHRINK);
	assert_int_equal(shared_ring__open(&pair->shared, pair->fd), 0);
}

static void end(struct pair *pair)
{
	shared_ring__close(&pair->shared);
	munmap(pair->ring, ALL_BYTES);
	close(pair->fd);
}

static void put_free(struct pair *pair, uint64_t addr)
{
	struct wire_free *record = ring__reserve(pair->ring, sizeof(*record), NULL);

	assert_non_null(record);
	record->addr = addr;
	ring__commit(record, WIRE_FREE, sizeof(*record));
}

static enum shared_ring_state take(struct pair *pair)
{
	return shared_ring__take(&pair->shared, shared_ring__head(&pair->shared), pair->record);
}

static void test_opens_only_what_is_whole(void **state)
{
	struct pair pair;

	make(&pair, F_SEAL_GROW);
	assert_int_equal(shared_ring__open(&pair.shared, pair.fd), -EBADMSG);
	assert_int_equal(fcntl(pair.fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(shared_ring__open(&pair.shared, pair.fd), 0);
	shared_ring__close(&pair.shared);
	for (uint32_t *word = (uint32_t *)pair.ring; word < (uint32_t *)pair.ring + 4; word++) {
		uint32_t saved = *word;

		*word = 0xfffffff8u;
		assert_int_equal(shared_ring__open(&pair.shared, pair.fd), -EBADMSG);
		*word = saved;
	}
	pair.ring->catalogue_offset = ALL_BYTES - 8;
	assert_int_equal(shared_ring__open(&pair.shared, pair.fd), -EBADMSG);
	pair.ring->catalogue_offset = CATALOGUE_AT;
	pair.ring->forks_offset = 8;
	assert_int_equal(shared_ring__open(&pair.shared, pair.fd), -EBADMSG);
	assert_int_equal(shared_ring__open(&pair.shared, STDIN_FILENO), -EBADMSG);
	end(&pair);
}

/* They need not be there: who reads them would be killed. */
static void test_large_pages_are_refused(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	struct shared_ring ring;

	if (fd < 0)
		skip();
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(shared_ring__open(&ring, fd), -EBADMSG);
	close(fd);
}

static void test_takes_in_order_round_and_round(void **state)
{
	struct pair pair;

	make_open(&pair);
	for (uint64_t i = 1; i <= 10000; i++) {
		put_free(&pair, i);
		if (i % 3)
			put_free(&pair, i + 1000000);
		assert_int_equal(take(&pair), SHARED_RING_TAKEN);
		assert_int_equal(((struct wire_free *)pair.record)->addr, i);
		if (i % 3)
			assert_int_equal(take(&pair), SHARED_RING_TAKEN);
		assert_int_equal(take(&pair), SHARED_RING_EMPTY);
	}
	for (uint32_t i = 0; i < RING_MIN_SIZE; i++)
		assert_int_equal(((uint8_t *)pair.ring)[sizeof(struct ring) + i], 0);
	end(&pair);
}

static void test_waits_for_who_has_reserved(void **state)
{
	struct pair pair;
	struct wire_free *slow;

	make_open(&pair);
	slow = ring__reserve(pair.ring, sizeof(*slow), NULL);
	put_free(&pair, 5);
	assert_int_equal(take(&pair), SHARED_RING_WAITS);
	slow->addr = 4;
	ring__commit(slow, WIRE_FREE, sizeof(*slow));
	assert_int_equal(take(&pair), SHARED_RING_TAKEN);
	assert_int_equal(((struct wire_free *)pair.record)->addr, 4);
	assert_int_equal(take(&pair), SHARED_RING_TAKEN);
	end(&pair);
}

/* Whatever a record says of its size: nothing outside the ring is touched, and nobody is fooled. */
static void test_nonsense_closes_it(void **state)
{
	static const struct {
		uint16_t type, size;
	} heads[] = { { WIRE_FREE, 0 },	 { WIRE_FREE, 4 },     { WIRE_FREE, 24 },
		      { WIRE_FREE, 33 }, { WIRE_FREE, 65528 }, { WIRE_STACK, 32 },
		      { RING_PAD, 40 },	 { RING_FORK, 32 },    { RING_EXEC, 16 },
		      { RING_EXEC, 32 } };

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct pair pair;
		uint8_t *at;

		make_open(&pair);
		at = ring__reserve(pair.ring, 32, NULL);
		memset(at, 0xff, 32);
		ring__commit(at, heads[i].type, heads[i].size);
		assert_int_equal(take(&pair), SHARED_RING_EMPTY);
		assert_true(pair.shared.broken);
		assert_true(pair.ring->flags & RING_CLOSED);
		end(&pair);
	}
}

static void test_a_head_that_lies(void **state)
{
	struct pair pair;

	make_open(&pair);
	put_free(&pair, 5);
	pair.ring->head += RING_MIN_SIZE;
	assert_int_equal(shared_ring__head(&pair.shared), pair.shared.tail);
	assert_true(pair.shared.broken);
	assert_int_equal(take(&pair), SHARED_RING_EMPTY);
	end(&pair);
}

static void test_catalogue(void **state)
{
	struct wire_mapping mapping = { .head = { WIRE_MAPPING, sizeof(mapping), 7 }, .start = 9 };
	struct pair pair;
	uint8_t *at;

	make_open(&pair);
	at = (uint8_t *)pair.ring + CATALOGUE_AT;
	assert_false(shared_ring__take_catalogue(&pair.shared, pair.record));
	memcpy(at, &mapping, sizeof(mapping));
	pair.ring->catalogue_used = sizeof(mapping);
	assert_true(shared_ring__take_catalogue(&pair.shared, pair.record));
	assert_memory_equal(pair.record, &mapping, sizeof(mapping));
	assert_false(shared_ring__take_catalogue(&pair.shared, pair.record));
	/* Longer than what is said to be there; then, more than there is room for. */
	memcpy(at + sizeof(mapping), &mapping, sizeof(mapping));
	pair.ring->catalogue_used += 40;
	assert_false(shared_ring__take_catalogue(&pair.shared, pair.record));
	assert_true(pair.shared.broken);
	pair.ring->catalogue_used = CATALOGUE + 8;
	pair.shared.broken = false;
	assert_false(shared_ring__take_catalogue(&pair.shared, pair.record));
	end(&pair);
}

static void test_a_fork_is_passed_when_it_is_known(void **state)
{
	struct ring_fork_slot *slots, slot;
	struct ring_fork *fork, taken;
	struct pair pair;

	make_open(&pair);
	slots = (struct ring_fork_slot *)((uint8_t *)pair.ring + FORKS_AT);
	fork = ring__reserve(pair.ring, sizeof(*fork), NULL);
	fork->slot = RING_FORK_SLOTS + 3; /* too many, but not out of the table */
	ring__commit(fork, RING_FORK, sizeof(*fork));
	put_free(&pair, 5);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(take(&pair), SHARED_RING_TAKEN);
		memcpy(&taken, pair.record, sizeof(taken));
		assert_int_equal(taken.head.type, RING_FORK);
	}
	slots[3].child = 77;
	slot = shared_ring__fork(&pair.shared, &taken);
	assert_int_equal(slot.child, 77);
	assert_int_equal(slot.done, 0);
	shared_ring__pass(&pair.shared);
	assert_int_equal(take(&pair), SHARED_RING_TAKEN);
	assert_int_equal(((struct wire_free *)pair.record)->addr, 5);
	end(&pair);
}

static void test_losses_are_told_once(void **state)
{
	struct pair pair;

	make_open(&pair);
	ring__count_lost(pair.ring, 5);
	assert_int_equal(shared_ring__nr_lost(&pair.shared), 5);
	assert_int_equal(shared_ring__nr_lost(&pair.shared), 0);
	pair.ring->lost = 3; /* wrapped around */
	assert_int_equal(shared_ring__nr_lost(&pair.shared), UINT32_MAX - 1);
	end(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens_only_what_is_whole),
		cmocka_unit_test(test_large_pages_are_refused),
		cmocka_unit_test(test_takes_in_order_round_and_round),
		cmocka_unit_test(test_waits_for_who_has_reserved),
		cmocka_unit_test(test_nonsense_closes_it),
		cmocka_unit_test(test_a_head_that_lies),
		cmocka_unit_test(test_catalogue),
		cmocka_unit_test(test_a_fork_is_passed_when_it_is_known),
		cmocka_unit_test(test_losses_are_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
