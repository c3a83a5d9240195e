// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "heap/heap.h"
#include "wire.h"

#define P 0x1000
#define Q 0x2000

static uint64_t now;

static void alloc_as(struct heap *heap, uint32_t tid, uint64_t addr, uint64_t bytes, uint16_t flags)
{
	struct wire_alloc record;

	now++;
	record = (struct wire_alloc){
		.head = { .type = WIRE_ALLOC, .size = sizeof(record), .pid = 1 },
		.time_ns = now,
		.addr = addr,
		.bytes = bytes,
		.tid = tid,
		.stack = (uint32_t)now + 100,
		.func = 7,
		.flags = flags,
	};

	heap__alloc(heap, &record);
}

static void release_as(struct heap *heap, uint32_t tid, uint64_t addr, uint16_t flags)
{
	struct wire_free record;

	now++;
	record = (struct wire_free){
		.head = { .type = WIRE_FREE, .size = sizeof(record), .pid = 1 },
		.time_ns = now,
		.addr = addr,
		.tid = tid,
		.flags = flags,
	};

	heap__release(heap, &record);
}

static void allocate(struct heap *heap, uint64_t addr, uint64_t bytes)
{
	alloc_as(heap, 1, addr, bytes, 0);
}

static void release(struct heap *heap, uint64_t addr)
{
	release_as(heap, 1, addr, 0);
}

static void begin_realloc(struct heap *heap, uint32_t tid, uint64_t addr)
{
	release_as(heap, tid, addr, WIRE_FREE_REALLOC);
}

static void end_realloc(struct heap *heap, uint32_t tid, uint64_t addr, uint64_t bytes)
{
	alloc_as(heap, tid, addr, bytes, WIRE_ALLOC_REALLOC);
}

struct seen {
	uint64_t blocks, bytes;
	struct heap_block last;
};

static void see(const struct heap_block *block, void *data)
{
	struct seen *seen = data;

	seen->blocks += heap_block__weight(block);
	seen->bytes += heap_block__weight(block) * heap_block__bytes(block);
	seen->last = *block;
}

/* The totals but for last_ns, and that for_each visits what they say is live. */
static void check_totals(const struct heap *heap, struct heap_totals expected)
{
	const struct heap_totals *totals = heap__totals(heap);
	struct seen seen = { 0 };

	heap__for_each(heap, see, &seen);
	assert_int_equal(totals->allocations, expected.allocations);
	assert_int_equal(totals->frees, expected.frees);
	assert_int_equal(totals->failed_allocations, expected.failed_allocations);
	assert_int_equal(totals->unknown_frees, expected.unknown_frees);
	assert_int_equal(totals->replaced_blocks, expected.replaced_blocks);
	assert_int_equal(totals->allocated_bytes, expected.allocated_bytes);
	assert_int_equal(totals->live_blocks, expected.live_blocks);
	assert_int_equal(totals->live_bytes, expected.live_bytes);
	assert_int_equal(totals->peak_bytes, expected.peak_bytes);
	assert_int_equal(totals->last_ns, now);
	assert_int_equal(seen.blocks, totals->live_blocks);
	assert_int_equal(seen.bytes, totals->live_bytes);
}

static struct heap_block only_block(const struct heap *heap)
{
	struct seen seen = { 0 };

	heap__for_each(heap, see, &seen);
	assert_int_equal(seen.blocks, 1);
	return seen.last;
}

static int setup(void **state)
{
	now = 0;
	*state = heap__new();
	return 0;
}

static int teardown(void **state)
{
	heap__free(*state);
	return 0;
}

static void test_alloc_and_free(void **state)
{
	struct heap *heap = *state;

	allocate(heap, P, 100);
	allocate(heap, Q, 50);
	release(heap, P);
	check_totals(heap, (struct heap_totals){ .allocations = 2,
						 .frees = 1,
						 .allocated_bytes = 150,
						 .live_blocks = 1,
						 .live_bytes = 50,
						 .peak_bytes = 150 });
	assert_int_equal(only_block(heap).addr, Q);
	assert_int_equal(only_block(heap).time_ns, 2);
	assert_int_equal(only_block(heap).stack, 102);
	assert_int_equal(only_block(heap).func, 7);
}

static void test_failed_malloc(void **state)
{
	alloc_as(*state, 1, 0, 100, 0);
	alloc_as(*state, 1, 0, 0, 0);
	check_totals(*state, (struct heap_totals){ .failed_allocations = 2 });
}

static void test_unknown_free(void **state)
{
	release(*state, P);
	release(*state, 0);
	check_totals(*state, (struct heap_totals){ .unknown_frees = 2 });
}

static void test_zero_bytes_is_a_block(void **state)
{
	allocate(*state, P, 0);
	check_totals(*state, (struct heap_totals){ .allocations = 1, .live_blocks = 1 });
}

/* The free between was lost. Out before in: the peak never sees both. */
static void test_double_allocation(void **state)
{
	allocate(*state, P, 100);
	allocate(*state, P, 30);
	check_totals(*state, (struct heap_totals){ .allocations = 2,
						   .replaced_blocks = 1,
						   .allocated_bytes = 130,
						   .live_blocks = 1,
						   .live_bytes = 30,
						   .peak_bytes = 100 });
}

static void test_realloc_moves(void **state)
{
	struct heap *heap = *state;

	allocate(heap, P, 100);
	begin_realloc(heap, 1, P);
	end_realloc(heap, 1, Q, 150);
	check_totals(heap, (struct heap_totals){ .allocations = 2,
						 .frees = 1,
						 .allocated_bytes = 250,
						 .live_blocks = 1,
						 .live_bytes = 150,
						 .peak_bytes = 150 });
	assert_int_equal(only_block(heap).addr, Q);
}

static void test_realloc_in_place(void **state)
{
	struct heap *heap = *state;

	allocate(heap, P, 100);
	begin_realloc(heap, 1, P);
	end_realloc(heap, 1, P, 40);
	check_totals(heap, (struct heap_totals){ .allocations = 2,
						 .frees = 1,
						 .allocated_bytes = 140,
						 .live_blocks = 1,
						 .live_bytes = 40,
						 .peak_bytes = 100 });
	assert_int_equal(only_block(heap).size, 40);
	assert_int_equal(only_block(heap).time_ns, 3);
	assert_int_equal(only_block(heap).stack, 103);
}

static void test_realloc_fails(void **state)
{
	struct heap *heap = *state;

	allocate(heap, P, 100);
	begin_realloc(heap, 1, P);
	end_realloc(heap, 1, 0, 1 << 30);
	check_totals(heap, (struct heap_totals){ .allocations = 1,
						 .failed_allocations = 1,
						 .allocated_bytes = 100,
						 .live_blocks = 1,
						 .live_bytes = 100,
						 .peak_bytes = 100 });
	assert_int_equal(only_block(heap).time_ns, 1);
	assert_int_equal(only_block(heap).stack, 101);
	/* It owns its address again. */
	release(heap, P);
	assert_int_equal(heap__totals(heap)->frees, 1);
	assert_int_equal(heap__totals(heap)->live_blocks, 0);
}

/* The address is somebody else's by now, so the old block cannot have survived. */
static void test_realloc_fails_address_live_again(void **state)
{
	struct heap *heap = *state;

	allocate(heap, P, 100);
	begin_realloc(heap, 1, P);
	alloc_as(heap, 2, P, 30, 0);
	end_realloc(heap, 1, 0, 1 << 30);
	check_totals(heap, (struct heap_totals){ .allocations = 2,
						 .failed_allocations = 1,
						 .replaced_blocks = 1,
						 .allocated_bytes = 130,
						 .live_blocks = 1,
						 .live_bytes = 30,
						 .peak_bytes = 130 });
	assert_int_equal(only_block(heap).size, 30);
}

static void test_realloc_to_zero_frees(void **state)
{
	allocate(*state, P, 100);
	begin_realloc(*state, 1, P);
	end_realloc(*state, 1, 0, 0);
	check_totals(*state, (struct heap_totals){ .allocations = 1,
						   .frees = 1,
						   .allocated_bytes = 100,
						   .peak_bytes = 100 });
}

/* Other allocators return an empty block. */
static void test_realloc_to_zero_bytes(void **state)
{
	allocate(*state, P, 100);
	begin_realloc(*state, 1, P);
	end_realloc(*state, 1, P, 0);
	check_totals(*state, (struct heap_totals){ .allocations = 2,
						   .frees = 1,
						   .allocated_bytes = 100,
						   .live_blocks = 1,
						   .peak_bytes = 100 });
}

static void test_realloc_of_unknown(void **state)
{
	struct heap *heap = *state;

	begin_realloc(heap, 1, P);
	check_totals(heap, (struct heap_totals){ 0 });
	end_realloc(heap, 1, 0, 10);
	check_totals(heap, (struct heap_totals){ .failed_allocations = 1 });
	begin_realloc(heap, 1, P);
	end_realloc(heap, 1, Q, 10);
	check_totals(heap, (struct heap_totals){ .allocations = 1,
						 .failed_allocations = 1,
						 .unknown_frees = 1,
						 .allocated_bytes = 10,
						 .live_blocks = 1,
						 .live_bytes = 10,
						 .peak_bytes = 10 });
	begin_realloc(heap, 1, P);
	end_realloc(heap, 1, 0, 0);
	assert_int_equal(heap__totals(heap)->unknown_frees, 2);
	assert_int_equal(heap__totals(heap)->live_blocks, 1);
}

/* The beginning was lost: as a realloc of an unknown block. */
static void test_realloc_without_begin(void **state)
{
	end_realloc(*state, 1, P, 10);
	end_realloc(*state, 1, 0, 10);
	check_totals(*state, (struct heap_totals){ .allocations = 1,
						   .failed_allocations = 1,
						   .unknown_frees = 1,
						   .allocated_bytes = 10,
						   .live_blocks = 1,
						   .live_bytes = 10,
						   .peak_bytes = 10 });
}

/* Between begin and end the old block counts, but its address may be another thread's. */
static void test_address_taken_during_realloc(void **state)
{
	struct heap *heap = *state;

	allocate(heap, P, 100);
	begin_realloc(heap, 1, P);
	alloc_as(heap, 2, P, 30, 0);
	check_totals(heap, (struct heap_totals){ .allocations = 2,
						 .allocated_bytes = 130,
						 .live_blocks = 2,
						 .live_bytes = 130,
						 .peak_bytes = 130 });
	end_realloc(heap, 1, Q, 200);
	check_totals(heap, (struct heap_totals){ .allocations = 3,
						 .frees = 1,
						 .allocated_bytes = 330,
						 .live_blocks = 2,
						 .live_bytes = 230,
						 .peak_bytes = 230 });
	release_as(heap, 2, P, 0);
	release_as(heap, 2, Q, 0);
	assert_int_equal(heap__totals(heap)->frees, 3);
	assert_int_equal(heap__totals(heap)->live_bytes, 0);
	assert_int_equal(heap__totals(heap)->unknown_frees, 0);
}

/* A free of a block in flight, by another thread, is of a block the table no longer has. */
static void test_free_during_realloc(void **state)
{
	allocate(*state, P, 100);
	begin_realloc(*state, 1, P);
	release_as(*state, 2, P, 0);
	check_totals(*state, (struct heap_totals){ .allocations = 1,
						   .unknown_frees = 1,
						   .allocated_bytes = 100,
						   .live_blocks = 1,
						   .live_bytes = 100,
						   .peak_bytes = 100 });
}

static void test_second_realloc_puts_the_first_back(void **state)
{
	struct heap *heap = *state;

	allocate(heap, P, 100);
	allocate(heap, Q, 50);
	begin_realloc(heap, 1, P);
	begin_realloc(heap, 1, Q);
	check_totals(heap, (struct heap_totals){ .allocations = 2,
						 .allocated_bytes = 150,
						 .live_blocks = 2,
						 .live_bytes = 150,
						 .peak_bytes = 150 });
	end_realloc(heap, 1, Q, 60);
	release(heap, P);
	check_totals(heap, (struct heap_totals){ .allocations = 3,
						 .frees = 2,
						 .allocated_bytes = 210,
						 .live_blocks = 1,
						 .live_bytes = 60,
						 .peak_bytes = 160 });
}

static void test_second_realloc_of_the_same(void **state)
{
	allocate(*state, P, 100);
	begin_realloc(*state, 1, P);
	begin_realloc(*state, 1, P);
	end_realloc(*state, 1, P, 110);
	check_totals(*state, (struct heap_totals){ .allocations = 2,
						   .frees = 1,
						   .allocated_bytes = 210,
						   .live_blocks = 1,
						   .live_bytes = 110,
						   .peak_bytes = 110 });
}

static void test_in_flight_at_the_end(void **state)
{
	allocate(*state, P, 100);
	begin_realloc(*state, 1, P);
	check_totals(*state, (struct heap_totals){ .allocations = 1,
						   .allocated_bytes = 100,
						   .live_blocks = 1,
						   .live_bytes = 100,
						   .peak_bytes = 100 });
	assert_int_equal(only_block(*state).addr, P);
}

/* Each thread's end finds its own beginning, in whatever order they come. */
static void test_many_threads_in_flight(void **state)
{
	struct heap *heap = *state;
	const uint32_t nr = 100;

	for (uint32_t tid = 0; tid < nr; tid++)
		allocate(heap, P + tid * 16, 1000 + tid);
	for (uint32_t tid = 0; tid < nr; tid++)
		begin_realloc(heap, tid, P + tid * 16);
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t tid = i * 37 % nr; /* every thread once */

		if (tid % 2)
			end_realloc(heap, tid, 0, 1 << 30);
		else
			end_realloc(heap, tid, 0, 0);
	}
	assert_int_equal(heap__totals(heap)->live_blocks, nr / 2);
	for (uint32_t tid = 1; tid < nr; tid += 2)
		release(heap, P + tid * 16);
	assert_int_equal(heap__totals(heap)->frees, nr);
	assert_int_equal(heap__totals(heap)->unknown_frees, 0);
	assert_int_equal(heap__totals(heap)->live_bytes, 0);
}

/* Threads begin and end reallocs of a block of their own, at random; the sizes must stay right. */
static void test_random_reallocs(void **state)
{
	struct heap *heap = *state;
	enum { NR = 50 };
	uint64_t bytes[NR], live = 0;
	bool in_flight[NR] = { false };
	uint32_t random = 1;

	for (uint32_t tid = 0; tid < NR; tid++) {
		bytes[tid] = 1000 + tid;
		live += bytes[tid];
		allocate(heap, P + tid * 16, bytes[tid]);
	}
	for (int i = 0; i < 20000; i++) {
		uint32_t tid = (random = random * 1664525 + 1013904223) >> 16;
		bool fails = tid % 2;

		tid = tid / 2 % NR;
		if (!in_flight[tid]) {
			begin_realloc(heap, tid, P + tid * 16);
		} else if (fails) {
			end_realloc(heap, tid, 0, 1 << 30);
		} else {
			live += (uint64_t)i - bytes[tid];
			bytes[tid] = (uint64_t)i;
			end_realloc(heap, tid, P + tid * 16, bytes[tid]);
		}
		in_flight[tid] = !in_flight[tid];
		assert_int_equal(heap__totals(heap)->live_bytes, live);
		assert_int_equal(heap__totals(heap)->live_blocks, NR);
	}
	for (uint32_t tid = 0; tid < NR; tid++) {
		if (in_flight[tid])
			end_realloc(heap, tid, 0, 1);
		release(heap, P + tid * 16);
		live -= bytes[tid];
		assert_int_equal(heap__totals(heap)->live_bytes, live);
	}
	assert_int_equal(heap__totals(heap)->unknown_frees, 0);
	assert_int_equal(heap__totals(heap)->replaced_blocks, 0);
}

static void test_reset(void **state)
{
	struct heap *heap = *state;

	allocate(heap, P, 100);
	begin_realloc(heap, 1, P);
	allocate(heap, Q, 100);
	heap__reset(heap);
	now = 0;
	check_totals(heap, (struct heap_totals){ 0 });
	end_realloc(heap, 1, P, 10);
	assert_int_equal(heap__totals(heap)->frees, 0);
	assert_int_equal(heap__totals(heap)->live_bytes, 10);
	heap__free(NULL);
}

static void test_newest_time(void **state)
{
	struct heap *heap = *state;

	now = 500;
	allocate(heap, P, 1);
	now = 100; /* another CPU's record, a little late */
	allocate(heap, Q, 1);
	assert_int_equal(heap__totals(heap)->last_ns, 501);
}

static void test_memory(void **state)
{
	struct heap *heap = *state;

	for (uint64_t i = 1; i <= 100000; i++)
		allocate(heap, i * 32, 8);
	assert_in_range(heap__memory_bytes(heap), 100000 * 32, 100000 * 64);
}

static void test_copy(void **state)
{
	struct heap *heap = *state, *copy;
	struct heap_totals expected;

	allocate(heap, P, 100);
	allocate(heap, Q, 50);
	release(heap, P);
	release(heap, 0x9000);
	expected = *heap__totals(heap);
	copy = heap__copy(heap);
	expected.peak_bytes = 50;
	check_totals(copy, expected);
	assert_int_equal(heap__totals(copy)->inherited_blocks, 1);
	assert_int_equal(heap__totals(copy)->inherited_bytes, 50);
	assert_int_equal(heap__totals(copy)->peak_blocks, 1);
	assert_int_equal(heap__totals(heap)->inherited_blocks, 0);
	/* From here on they are two. */
	release(copy, Q);
	allocate(copy, P, 1);
	assert_int_equal(only_block(copy).size, 1);
	assert_int_equal(only_block(heap).size, 50);
	assert_int_equal(heap__totals(heap)->frees, 1);
	heap__reset(copy);
	assert_int_equal(heap__totals(copy)->inherited_bytes, 0);
	heap__free(copy);
}

static void test_copy_in_flight(void **state)
{
	struct heap *heap = *state, *copy;

	allocate(heap, P, 100);
	begin_realloc(heap, 1, P);
	begin_realloc(heap, 2, Q);
	copy = heap__copy(heap);
	assert_int_equal(heap__totals(copy)->inherited_bytes, 100);
	assert_int_equal(only_block(copy).addr, P);
	release(copy, P);
	assert_int_equal(heap__totals(copy)->frees, 1);
	assert_int_equal(heap__totals(copy)->unknown_frees, 0);
	heap__free(copy);
	/* The address has an owner already: the block is as good as freed. */
	alloc_as(heap, 3, P, 7, 0);
	copy = heap__copy(heap);
	assert_int_equal(only_block(copy).size, 7);
	assert_int_equal(heap__totals(copy)->inherited_blocks, 1);
	assert_int_equal(heap__totals(copy)->live_bytes, 7);
	assert_int_equal(heap__totals(copy)->replaced_blocks, 1);
	heap__free(copy);
	end_realloc(heap, 1, 0x3000, 200);
	end_realloc(heap, 2, 0x4000, 1);
	assert_int_equal(heap__totals(heap)->frees, 1);
	assert_int_equal(heap__totals(heap)->unknown_frees, 1);
	assert_int_equal(heap__totals(heap)->live_bytes, 208);
}

/* Tables of every size, some of them mapped: as many blocks, each to be found. */
static void test_copy_of_many(void **state)
{
	struct heap *heap = *state;

	for (uint64_t nr = 1; nr <= 1000000; nr *= 10) {
		struct heap *copy;

		for (uint64_t i = nr / 10 + 1; i <= nr; i++)
			allocate(heap, i * 32, 8);
		copy = heap__copy(heap);
		assert_in_range(heap__memory_bytes(copy), 1, heap__memory_bytes(heap));
		for (uint64_t i = 1; i <= nr; i++)
			release(copy, i * 32);
		assert_int_equal(heap__totals(copy)->unknown_frees, 0);
		assert_int_equal(heap__totals(copy)->live_blocks, 0);
		assert_int_equal(heap__totals(heap)->live_blocks, nr);
		heap__free(copy);
	}
}

#define heap_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		heap_test(test_alloc_and_free),
		heap_test(test_failed_malloc),
		heap_test(test_unknown_free),
		heap_test(test_zero_bytes_is_a_block),
		heap_test(test_double_allocation),
		heap_test(test_realloc_moves),
		heap_test(test_realloc_in_place),
		heap_test(test_realloc_fails),
		heap_test(test_realloc_fails_address_live_again),
		heap_test(test_realloc_to_zero_frees),
		heap_test(test_realloc_to_zero_bytes),
		heap_test(test_realloc_of_unknown),
		heap_test(test_realloc_without_begin),
		heap_test(test_address_taken_during_realloc),
		heap_test(test_free_during_realloc),
		heap_test(test_second_realloc_puts_the_first_back),
		heap_test(test_second_realloc_of_the_same),
		heap_test(test_in_flight_at_the_end),
		heap_test(test_many_threads_in_flight),
		heap_test(test_random_reallocs),
		heap_test(test_reset),
		heap_test(test_newest_time),
		heap_test(test_memory),
		heap_test(test_copy),
		heap_test(test_copy_in_flight),
		heap_test(test_copy_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
