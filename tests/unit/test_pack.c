// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "trace/block.h"
#include "trace/pack.h"
#include "wire.h"

static uint64_t random_state = 1;

static uint64_t random_bits(unsigned bits)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return bits ? (random_state ^ random_state >> 29) >> (64 - bits) : 0;
}

/* Of any magnitude, the extremes included. */
static uint64_t random_value(void)
{
	uint64_t value = random_bits((unsigned)random_bits(6) + 1);

	return random_bits(3) ? value : -value;
}

/* A record of any type and any contents, with sizes that fit the type and with others. */
static size_t random_record(struct wire_head *head, size_t room)
{
	static const uint16_t types[] = {
		WIRE_ALLOC, WIRE_FREE, WIRE_STACK, WIRE_STRING, 0, 65535
	};
	uint16_t type = types[random_bits(8) % ARRAY_SIZE(types)];
	size_t size = 8 + 8 * random_bits(random_bits(4) ? 4 : 9);
	uint64_t *words = (uint64_t *)head;

	if (type == WIRE_ALLOC && random_bits(4))
		size = sizeof(struct wire_alloc);
	if (type == WIRE_FREE && random_bits(4))
		size = random_bits(1) ? sizeof(struct wire_free) : sizeof(struct wire_free_from);
	size = min(size, room);
	for (size_t i = 1; i < size / 8; i++)
		words[i] = random_value();
	*head = (struct wire_head){ .type = type, .size = (uint16_t)size, .pid = 7 };
	/* Mostly of few kinds, or packing would never pay. */
	if (type == WIRE_ALLOC && size == sizeof(struct wire_alloc) && random_bits(4)) {
		struct wire_alloc *alloc = (void *)head;

		alloc->tid = (uint32_t)random_bits(2);
		alloc->func = alloc->flags = alloc->weight = 0;
	}
	if (type == WIRE_FREE && size >= sizeof(struct wire_free) && random_bits(4)) {
		struct wire_free *release = (void *)head;

		release->tid = (uint32_t)random_bits(2);
		release->func = release->flags = 0;
	}
	if (type == WIRE_STACK && size >= sizeof(struct wire_stack) && random_bits(3))
		((struct wire_stack *)head)->nr_frames =
			(uint16_t)((size - sizeof(struct wire_stack)) / 8);
	return size;
}

static size_t random_records(uint64_t *raw, size_t max)
{
	size_t at = 0;

	while (max - at >= 8)
		at += random_record((void *)((char *)raw + at), max - at);
	return at;
}

/* As nr_pids programs make them at once: few kinds, addresses that come again, times that grow. */
static size_t records_of(uint32_t nr_pids, uint64_t *raw, size_t max)
{
	uint64_t now = 1000000000, addr;
	size_t at = 0;

	for (uint32_t i = 0; max - at >= sizeof(struct wire_stack) + 20 * 8; i++) {
		void *to = (char *)raw + at;
		uint32_t pid = nr_pids == 1 ? 7 : 7 + (uint32_t)(random_bits(16) % nr_pids);

		now += random_bits(10);
		addr = 0x550000000000 + random_bits(8) * 48;
		if (i % 50 == 0) {
			struct wire_stack *stack = to;

			*stack = (struct wire_stack){
				{ WIRE_STACK, 24 + 20 * 8, pid }, now, 1 + i / 50, 20, 0
			};
			for (int j = 0; j < 20; j++)
				stack->frames[j] = 0x400000 + random_bits(6) * 4;
		} else if (i % 2) {
			*(struct wire_alloc *)to =
				(struct wire_alloc){ { WIRE_ALLOC, 48, pid },
						     now,
						     addr,
						     random_bits(5),
						     pid + (uint32_t)random_bits(1),
						     1 + (uint32_t)random_bits(3),
						     1,
						     0,
						     0 };
		} else {
			*(struct wire_free *)to =
				(struct wire_free){ { WIRE_FREE, 32, pid }, now, addr, pid, 5, 0 };
		}
		at += ((struct wire_head *)to)->size;
	}
	return at;
}

static size_t likely_records(uint64_t *raw, size_t max)
{
	return records_of(1, raw, max);
}

/* Packs, unpacks into memory of the exact size, compares. Returns the packed length, 0 where it
 * was not packed. */
static size_t check_round_trip(struct pack *pack, const uint64_t *raw, size_t raw_len)
{
	uint8_t *packed = xmalloc(raw_len);
	void *again = xmalloc(raw_len);
	size_t packed_len = pack__pack(pack, raw, raw_len, packed);

	assert_true(packed_len <= raw_len);
	if (packed_len) {
		assert_true(pack__unpack(pack, packed, packed_len, again, raw_len));
		assert_memory_equal(again, raw, raw_len);
	}
	free(again);
	free(packed);
	return packed_len;
}

/* Any records, among so many that pack well that the whole is worth it. */
static void test_any_records(void **state)
{
	struct pack *pack = pack__new();
	static uint64_t raw[BLOCK_MAX_RAW / 8];
	size_t raw_len;

	for (int i = 0; i < 1000; i++) {
		raw_len = random_records(raw, 40 << i % 10);
		raw_len += likely_records(raw + raw_len / 8, 2 * raw_len + 4096);
		assert_true(check_round_trip(pack, raw, raw_len));
	}
	raw_len = random_records(raw, BLOCK_MAX_RAW / 4);
	raw_len += likely_records(raw + raw_len / 8, BLOCK_MAX_RAW - raw_len);
	assert_true(check_round_trip(pack, raw, raw_len));
	pack__free(pack);
	pack__free(NULL);
}

static void test_likely_records(void **state)
{
	struct pack *pack = pack__new();
	static uint64_t raw[BLOCK_MAX_RAW / 8];
	size_t raw_len = likely_records(raw, 256 << 10), packed_len;

	packed_len = check_round_trip(pack, raw, raw_len);
	assert_in_range(packed_len, raw_len / 20, raw_len / 5);
	raw_len = likely_records(raw, sizeof(raw));
	assert_true(check_round_trip(pack, raw, raw_len));
	pack__free(pack);
}

/* Events of 60 processes, one after the other's: the pid is a matter of the kind, of which there
 * are so many more. */
static void test_many_processes(void **state)
{
	struct pack *pack = pack__new();
	static uint64_t raw[BLOCK_MAX_RAW / 8];
	size_t one = check_round_trip(pack, raw, likely_records(raw, 256 << 10));
	size_t many = check_round_trip(pack, raw, records_of(60, raw, 256 << 10));

	assert_in_range(many, one, one + one / 2);
	assert_true(check_round_trip(pack, raw, records_of(5000, raw, sizeof(raw))));
	pack__free(pack);
}

/* Blocks of a few places, each freed at once by one of a few others, the stack of whom is known:
 * every other record is a FREE, and of three there is one without a stack. */
static size_t frees_with_stacks(uint64_t *raw, size_t max)
{
	uint64_t now = 5000000000, addr = 0;
	size_t at = 0;

	for (uint32_t i = 0; max - at >= sizeof(struct wire_alloc); i++) {
		void *to = (char *)raw + at;

		now += random_bits(10);
		if (i % 2 == 0) {
			addr = 0x550000000000 + random_bits(8) * 48;
			*(struct wire_alloc *)to = (struct wire_alloc){
				{ WIRE_ALLOC, 48, 7 }, now, addr, 32, 7, 1 + i % 5, 1, 0, 0
			};
		} else if (i % 3 == 0) {
			*(struct wire_free *)to =
				(struct wire_free){ { WIRE_FREE, 32, 7 }, now, addr, 7, 5, 0 };
		} else {
			*(struct wire_free_from *)to = (struct wire_free_from){
				.free = { { WIRE_FREE, 40, 7 }, now, addr, 7, 5, 0 },
				.stack = 10 + (uint32_t)random_bits(3),
			};
		}
		at += ((struct wire_head *)to)->size;
	}
	return at;
}

static void test_frees_with_stacks(void **state)
{
	struct pack *pack = pack__new();
	static uint64_t raw[BLOCK_MAX_RAW / 8];
	size_t raw_len = frees_with_stacks(raw, 256 << 10);
	struct wire_free_from *record = (void *)raw;

	/* As well as other events: as a column, not as records that are like no others. */
	assert_in_range(check_round_trip(pack, raw, raw_len), raw_len / 20, raw_len / 5);
	assert_true(check_round_trip(pack, raw, frees_with_stacks(raw, sizeof(raw))));
	/* A stack is any number; what is behind it is told from a record without. */
	raw_len = frees_with_stacks(raw, 4096);
	while (record->free.head.size != sizeof(*record))
		record = (void *)((char *)record + record->free.head.size);
	for (uint32_t i = 0; i < 64; i++) {
		record->stack = i < 32 ? 1u << i : ~0u << (i - 32);
		record->pad = i % 4 ? 0 : (uint32_t)random_bits(32);
		assert_true(check_round_trip(pack, raw, raw_len));
	}
	pack__free(pack);
}

/* Every record of a kind of its own, and the largest number of records there may be. */
static void test_many_kinds(void **state)
{
	struct pack *pack = pack__new();
	static uint64_t raw[BLOCK_MAX_RAW / 8];
	struct wire_stack *stacks = (void *)raw;
	size_t nr = BLOCK_MAX_RAW / sizeof(struct wire_stack);

	for (size_t i = 0; i < nr; i++)
		stacks[i] = (struct wire_stack){
			{ WIRE_STACK, sizeof(*stacks), (uint32_t)i }, 1, 1, 0, 0
		};
	/* Longer than before: not packed. */
	assert_int_equal(check_round_trip(pack, raw, nr * sizeof(*stacks)), 0);
	/* Half of them twice: worth it, just. */
	for (size_t i = 0; i < nr; i++)
		stacks[i].head.pid = (uint32_t)i / 2;
	assert_true(check_round_trip(pack, raw, nr * sizeof(*stacks)));
	pack__free(pack);
}

static void test_no_records(void **state)
{
	struct pack *pack = pack__new();
	struct wire_head heads[4] = { { 1, 8, 0 }, { 500, 0, 0 }, { 1, 8, 0 }, { 1, 8, 0 } };
	uint64_t packed[4];

	assert_int_equal(pack__pack(pack, heads, sizeof(heads), packed), 0);
	heads[1].size = 32;
	assert_int_equal(pack__pack(pack, heads, sizeof(heads), packed), 0);
	pack__free(pack);
}

static void test_lengths_must_match(void **state)
{
	struct pack *pack = pack__new();
	uint64_t raw[256], again[256 + 1];
	size_t raw_len = likely_records(raw, sizeof(raw)), packed_len;
	uint8_t packed[sizeof(raw)];

	packed_len = pack__pack(pack, raw, raw_len, packed);
	assert_true(packed_len > 0);
	assert_true(pack__unpack(pack, packed, packed_len, again, raw_len));
	assert_false(pack__unpack(pack, packed, packed_len, again, raw_len - 8));
	assert_false(pack__unpack(pack, packed, packed_len, again, raw_len + 8));
	assert_false(pack__unpack(pack, packed, packed_len + 1, again, raw_len));
	for (size_t cut = 0; cut < packed_len; cut++) {
		uint8_t *exact = xmalloc(cut);

		memcpy(exact, packed, cut);
		assert_false(pack__unpack(pack, exact, cut, again, raw_len));
		free(exact);
	}
	pack__free(pack);
}

/* The first address of a block cannot be one that was met before. */
static void test_nothing_before_the_first(void **state)
{
	struct pack *pack = pack__new();
	uint64_t raw[512], again[512];
	size_t raw_len = likely_records(raw, sizeof(raw)), packed_len;
	uint8_t packed[sizeof(raw)];
	uint32_t lengths[13];
	size_t alloc_backs = sizeof(lengths);

	packed_len = pack__pack(pack, raw, raw_len, packed);
	memcpy(lengths, packed, sizeof(lengths));
	for (int column = 0; column < 5; column++)
		alloc_backs += lengths[column];
	assert_int_equal(packed[alloc_backs], 0);
	packed[alloc_backs] = 1;
	assert_false(pack__unpack(pack, packed, packed_len, again, raw_len));
	pack__free(pack);
}

/* Whatever the bytes, it stays within the memory it was given: the sanitizers look on. */
static void test_hostile_bytes(void **state)
{
	struct pack *pack = pack__new();
	static uint64_t raw[8192 / 8];
	uint8_t *packed = xmalloc(sizeof(raw)), *damaged;
	unsigned nr_refused = 0;

	for (int i = 0; i < 20000; i++) {
		size_t raw_len = i % 2 ? likely_records(raw, 4096) : random_records(raw, 2048);
		size_t packed_len = pack__pack(pack, raw, raw_len, packed);
		void *again = xmalloc(raw_len);

		damaged = xmalloc(packed_len);
		memcpy(damaged, packed, packed_len);
		for (uint64_t flips = 1 + random_bits(3); packed_len && flips; flips--)
			damaged[random_bits(20) % packed_len] ^= (uint8_t)(1 + random_bits(7));
		nr_refused += !pack__unpack(pack, damaged, packed_len, again, raw_len);
		free(damaged);
		free(again);
	}
	assert_in_range(nr_refused, 5000, 20000);
	free(packed);
	pack__free(pack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_records),
		cmocka_unit_test(test_likely_records),
		cmocka_unit_test(test_many_processes),
		cmocka_unit_test(test_frees_with_stacks),
		cmocka_unit_test(test_many_kinds),
		cmocka_unit_test(test_no_records),
		cmocka_unit_test(test_lengths_must_match),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_nothing_before_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
