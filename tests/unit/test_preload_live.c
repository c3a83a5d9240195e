// SPDX-License-Identifier: BSD-2-Clause
/* The table of live blocks behind the preload library's snapshots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot_blocks.h"

static struct live_blocks blocks;

static void make(uint32_t bytes)
{
	free(blocks.slots);
	live_blocks__init(&blocks, calloc(1, bytes), bytes);
}

static void add(uintptr_t addr, uintptr_t bytes, uint32_t stack)
{
	struct live_block block = { addr, bytes, stack };

	live_blocks__add(&blocks, &block, true);
}

struct sum {
	uint64_t bytes, blocks, stacks;
};

static void visit(const struct live_block *block, void *data)
{
	struct sum *sum = data;

	sum->bytes += block->bytes;
	sum->stacks += block->stack;
	sum->blocks++;
}

static struct sum sum_all(void)
{
	struct sum sum = { 0, 0, 0 };

	live_blocks__each(&blocks, visit, &sum);
	return sum;
}

static void test_simple(void **state)
{
	struct live_block taken;

	make(1 << 16);
	add(0x1000, 10, 1);
	add(0x1010, 20, 2);
	assert_false(live_blocks__take(&blocks, 0x1020, &taken, true));
	assert_true(live_blocks__take(&blocks, 0x1000, &taken, true));
	assert_int_equal(taken.bytes, 10);
	assert_int_equal(taken.stack, 1);
	assert_false(live_blocks__take(&blocks, 0x1000, &taken, true));
	/* Its free was not seen. */
	add(0x1010, 30, 3);
	assert_int_equal(sum_all().bytes, 30);
	assert_int_equal(sum_all().blocks, 1);
	assert_int_equal(blocks.nr_lost, 0);
}

#define NR_ADDRESSES 3000u

/* Against a table that cannot be wrong, nearly full, so that searches are long and gaps many. */
static void test_model(void **state)
{
	static uintptr_t model[NR_ADDRESSES];
	uint64_t bytes = 0, nr = 0;
	uint32_t random = 1;

	memset(model, 0, sizeof(model));
	make(NR_ADDRESSES * 2 * sizeof(struct live_block));
	for (unsigned i = 0; i < 300000; i++) {
		struct live_block taken;
		uintptr_t addr;
		unsigned n;

		random = random * 1664525u + 1013904223u;
		n = (random >> 8) % NR_ADDRESSES;
		addr = 0x7f0000000010ull + n * 48;
		if (!model[n]) {
			model[n] = 1 + random % 1000;
			bytes += model[n];
			nr++;
			add(addr, model[n], n);
			continue;
		}
		assert_true(live_blocks__take(&blocks, addr, &taken, true));
		assert_int_equal(taken.bytes, model[n]);
		assert_int_equal(taken.stack, n);
		bytes -= model[n];
		nr--;
		model[n] = 0;
	}
	assert_int_equal(blocks.nr_lost, 0);
	assert_int_equal(sum_all().bytes, bytes);
	assert_int_equal(sum_all().blocks, nr);
}

static void test_full(void **state)
{
	struct live_block taken;
	unsigned found = 0;

	make(SNAPSHOT_PARTS * 16 * sizeof(struct live_block));
	for (uintptr_t i = 1; i <= 5000; i++)
		add(i * 16, 1, 0);
	assert_int_equal(sum_all().blocks + blocks.nr_lost, 5000);
	assert_int_equal(sum_all().blocks, SNAPSHOT_PARTS * 14);
	for (uintptr_t i = 1; i <= 5000; i++)
		found += live_blocks__take(&blocks, i * 16, &taken, true);
	assert_int_equal(found, SNAPSHOT_PARTS * 14);
	assert_int_equal(sum_all().blocks, 0);
	/* None at all. */
	make(8);
	add(16, 1, 0);
	assert_false(live_blocks__take(&blocks, 16, &taken, true));
	assert_int_equal(blocks.nr_lost, 1);
}

#define NR_THREADS 4u
#define NR_ROUNDS  50000u

static void *churn(void *data)
{
	uintptr_t base = ((uintptr_t)data + 1) << 24;
	struct live_block taken;

	for (uintptr_t i = 0; i < NR_ROUNDS; i++) {
		add(base + i * 16, 3, 1);
		if (i % 100 && !live_blocks__take(&blocks, base + i * 16, &taken, true))
			return (void *)1;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[NR_THREADS];
	void *failed;

	make(1 << 20);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_true(sum_all().blocks <= NR_THREADS * (NR_ROUNDS / 100 + 1));
	for (unsigned i = 0; i < NR_THREADS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(sum_all().blocks, NR_THREADS * (NR_ROUNDS / 100));
	assert_int_equal(blocks.nr_lost, 0);
}

/* A part whose lock nobody gives back holds nobody up for ever. */
static void test_left_locked(void **state)
{
	struct live_block taken;
	uint64_t before;

	make(1 << 16);
	add(16, 1, 0);
	before = sum_all().blocks;
	for (unsigned i = 0; i < SNAPSHOT_PARTS; i++)
		blocks.parts[i].locked = 1;
	assert_false(live_blocks__take(&blocks, 16, &taken, false));
	assert_false(live_blocks__take(&blocks, 16, &taken, true));
	assert_int_equal(blocks.nr_lost, 2);
	live_blocks__forked(&blocks);
	assert_int_equal(blocks.nr_lost, 2 + SNAPSHOT_PARTS);
	assert_int_equal(before, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),	    cmocka_unit_test(test_model),
		cmocka_unit_test(test_full),	    cmocka_unit_test(test_threads),
		cmocka_unit_test(test_left_locked),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(blocks.slots);
	return failed;
}
