// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "heap/blocks.h"

#define NR_ADDRESSES 5000

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) % limit);
}

static struct heap_block block_at(uint64_t addr, uint64_t bytes)
{
	return (struct heap_block){
		.addr = addr, .size = bytes, .time_ns = addr ^ bytes, .stack = 3, .func = 4
	};
}

static void test_empty(void **state)
{
	struct blocks *blocks = blocks__new();
	struct heap_block taken;

	assert_int_equal(blocks__count(blocks), 0);
	assert_false(blocks__take(blocks, 0x1000, &taken));
	assert_false(blocks__take(blocks, 0, &taken));
	blocks__free(blocks);
	blocks__free(NULL);
}

static void test_add_and_take(void **state)
{
	struct blocks *blocks = blocks__new();
	struct heap_block block = block_at(0x1000, 24), other;

	assert_false(blocks__add(blocks, &block, &other));
	assert_int_equal(blocks__count(blocks), 1);
	assert_false(blocks__take(blocks, 0x1010, &other));
	assert_true(blocks__take(blocks, 0x1000, &other));
	assert_memory_equal(&other, &block, sizeof(block));
	assert_false(blocks__take(blocks, 0x1000, &other));
	assert_int_equal(blocks__count(blocks), 0);
	blocks__free(blocks);
}

static void test_add_replaces(void **state)
{
	struct blocks *blocks = blocks__new();
	struct heap_block first = block_at(0x1000, 24), second = block_at(0x1000, 48), other;

	assert_false(blocks__add(blocks, &first, &other));
	assert_true(blocks__add(blocks, &second, &other));
	assert_memory_equal(&other, &first, sizeof(first));
	assert_int_equal(blocks__count(blocks), 1);
	assert_true(blocks__take(blocks, 0x1000, &other));
	assert_int_equal(other.size, 48);
	blocks__free(blocks);
}

static void sum_bytes(const struct heap_block *block, void *data)
{
	*(uint64_t *)data += block->size;
}

/* Every operation has the outcome that an array by address number has. */
static void test_random_operations(void **state)
{
	static uint64_t sizes[NR_ADDRESSES]; /* 0: not live */
	struct blocks *blocks = blocks__new();
	uint64_t live = 0, sum = 0, visited = 0;

	for (int i = 0; i < 1000000; i++) {
		/* The table swells and shrinks: mostly adds, then mostly takes. */
		bool adds = random_below(10) < (i / 50000 % 2 ? 2u : 8u);
		uint32_t n = random_below(NR_ADDRESSES);
		struct heap_block block = block_at(16 + 16 * (uint64_t)n, 1 + random_below(1000));
		struct heap_block other = { 0 };
		bool hit = adds ? blocks__add(blocks, &block, &other)
				: blocks__take(blocks, block.addr, &other);

		assert_int_equal(hit, sizes[n] != 0);
		assert_int_equal(other.size, sizes[n]);
		live += (uint64_t)adds - (uint64_t)hit;
		sum += (adds ? block.size : 0) - sizes[n];
		sizes[n] = adds ? block.size : 0;
		assert_int_equal(blocks__count(blocks), live);
	}
	blocks__for_each(blocks, sum_bytes, &visited);
	assert_int_equal(visited, sum);
	blocks__free(blocks);
}

static void check_memory(const struct blocks *blocks)
{
	if (blocks__count(blocks) >= 4000)
		assert_in_range(blocks__memory_bytes(blocks) / blocks__count(blocks), 32, 64);
}

/* Also while it grows and after a peak. */
static void test_memory_bound(void **state)
{
	struct blocks *blocks = blocks__new();
	struct heap_block block = block_at(16, 1), other;

	for (block.addr = 48; block.addr <= 48 * 1000000; block.addr += 48) {
		blocks__add(blocks, &block, &other);
		check_memory(blocks);
	}
	assert_int_equal(blocks__count(blocks), 1000000);
	for (block.addr = 48; block.addr <= 48 * 1000000; block.addr += 48) {
		assert_true(blocks__take(blocks, block.addr, &other));
		check_memory(blocks);
	}
	assert_int_equal(blocks__count(blocks), 0);
	assert_in_range(blocks__memory_bytes(blocks), 0, 100 << 10);
	blocks__free(blocks);
}

static void test_small_stays_small(void **state)
{
	struct blocks *blocks = blocks__new();
	struct heap_block block = block_at(16, 1), other;

	for (block.addr = 16; block.addr <= 16 * 100; block.addr += 16)
		blocks__add(blocks, &block, &other);
	assert_in_range(blocks__memory_bytes(blocks), 1, 64 << 10);
	blocks__free(blocks);
}

/* Churn at a steady count must not make the table grow: what is gone is cleared away. */
static void test_churn_is_bounded(void **state)
{
	struct blocks *blocks = blocks__new();
	struct heap_block block, other;

	for (uint64_t i = 0; i < 2000000; i++) {
		block = block_at(16 + i * 16, 8);
		assert_false(blocks__add(blocks, &block, &other));
		if (i >= 10000)
			assert_true(blocks__take(blocks, 16 + (i - 10000) * 16, &other));
		check_memory(blocks);
	}
	assert_int_equal(blocks__count(blocks), 10000);
	blocks__free(blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_add_and_take),
		cmocka_unit_test(test_add_replaces),
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_memory_bound),
		cmocka_unit_test(test_small_stays_small),
		cmocka_unit_test(test_churn_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
