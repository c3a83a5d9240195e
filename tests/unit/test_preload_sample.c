// SPDX-License-Identifier: BSD-2-Clause
/* The preload library's sampling: distances, weights, what is chosen, and the set of samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "live_set.h"
#include "sample.h"

/* Half of all is 0.67 sigma off; of what is tried here, nothing is to be 5. */
static void assert_near(double found, double wanted, double sigma)
{
	if (fabs(found - wanted) > 5 * sigma)
		fail_msg("%.6g instead of %.6g +/- %.2g", found, wanted, sigma);
}

/* ---- distances and weights ------------------------------------------------------------------- */

static const uint32_t periods[] = { 1, 2, 100, 4096, 512 << 10, CHANCE_MAX_BYTES };

/* P(gap <= n) is 1 - exp(-n / every), at the smallest distances and at large ones. */
static void test_gaps(void **state)
{
	enum { NR = 1000000, NR_PARTS = 7 };
	static const double parts[NR_PARTS] = { 0.00001, 0.001, 0.1, 0.5, 1, 3, 8 };

	for (size_t p = 0; p < sizeof(periods) / sizeof(periods[0]); p++) {
		uint64_t chance = p, nr[NR_PARTS] = { 0 };

		for (unsigned i = 0; i < NR; i++) {
			uint64_t gap = chance__gap(&chance, periods[p]);

			assert_true(gap >= 1);
			for (unsigned n = 0; n < NR_PARTS; n++)
				nr[n] += gap <= (uint64_t)(parts[n] * periods[p]);
		}
		for (unsigned n = 0; n < NR_PARTS; n++) {
			uint64_t bytes = (uint64_t)(parts[n] * periods[p]);
			double wanted = -expm1(-(double)bytes / periods[p]);

			assert_near((double)nr[n] / NR, wanted, sqrt(wanted * (1 - wanted) / NR));
		}
	}
}

/* The whole range of the logarithm: also of the largest distances the mean is right. */
static void test_mean_gap(void **state)
{
	enum { NR = 4000000 };
	uint64_t chance = 1;
	double sum = 0, squares = 0;

	for (unsigned i = 0; i < NR; i++) {
		double gap = (double)chance__gap(&chance, CHANCE_MAX_BYTES) / CHANCE_MAX_BYTES;

		sum += gap;
		squares += gap * gap;
	}
	assert_near(sum / NR, 1, 1 / sqrt(NR));
	assert_near(squares / NR, 2, sqrt(20.0 / NR));
}

static void test_weights(void **state)
{
	enum { NR = 200000 };
	static const double parts[] = { 0, 0.0001, 0.01, 0.3, 0.5, 0.9, 1 };

	for (size_t p = 1; p < sizeof(periods) / sizeof(periods[0]); p++) {
		for (size_t n = 0; n < sizeof(parts) / sizeof(parts[0]); n++) {
			uint32_t bytes = (uint32_t)(parts[n] * (periods[p] - 1));
			uint64_t chance = n;
			double wanted, sum = 0;

			bytes = bytes ? bytes : 1;
			wanted = -1 / expm1(-(double)bytes / periods[p]);
			for (unsigned i = 0; i < NR; i++) {
				uint32_t weight = chance__weight(&chance, bytes, periods[p]);

				assert_true(weight == floor(wanted) || weight == ceil(wanted));
				sum += weight;
			}
			assert_near(sum / NR, wanted, 0.5 / sqrt(NR));
		}
	}
}

/* Whatever the state, no two threads go the same way. */
static void test_sequences(void **state)
{
	uint64_t zero = 0, one = 1;
	unsigned nr_bits[64] = { 0 };

	assert_int_not_equal(chance__mix(1), chance__mix(2));
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t number = chance__next(&zero);

		assert_int_not_equal(number, chance__next(&one));
		for (unsigned bit = 0; bit < 64; bit++)
			nr_bits[bit] += number >> bit & 1;
	}
	for (unsigned bit = 0; bit < 64; bit++)
		assert_near(nr_bits[bit], 50000, sqrt(25000));
}

/* ---- what is chosen -------------------------------------------------------------------------- */

/* A call as a hook has it: first the short way, then the long. */
static bool allocate(uint32_t bytes, uint32_t *weight)
{
	struct guard_call call = { 0 };
	bool chosen;

	if (bytes < sample_thread.left) {
		sample_thread.left -= bytes;
		return false;
	}
	chosen = sample__chooses(bytes, weight);
	assert_int_equal(sample_thread.left, 0);
	sample__resume(&call);
	assert_int_not_equal(sample_thread.left, 0);
	return chosen;
}

struct estimate {
	uint32_t bytes;
	unsigned nr, nr_chosen;
	double weight;
};

static void check_estimate(const struct estimate *estimate, uint32_t every)
{
	double p = -expm1(-(double)estimate->bytes / every), nr = estimate->nr;
	double part = 1 / p - floor(1 / p), variance = 1 / p + p * part * (1 - part) - 1;

	if (estimate->bytes >= every) {
		assert_int_equal(estimate->nr_chosen, estimate->nr);
		assert_true(estimate->weight == nr);
		return;
	}
	assert_near(estimate->nr_chosen, nr * p, sqrt(nr * p * (1 - p)));
	assert_near(estimate->weight, nr, sqrt(nr * variance));
}

/* Sizes mixed: each is chosen as if it were alone, and what is large enough always. */
static void test_choice(void **state)
{
	static const uint32_t bytes[] = { 8, 100, 1000, 2500, 4095, 4096, 100000, 1 };
	struct estimate sizes[8] = { 0 };
	uint64_t chance = 5;

	for (unsigned i = 0; i < 8; i++)
		sizes[i].bytes = bytes[i];
	sample__start(4096, 77);
	for (unsigned i = 0; i < 4000000; i++) {
		struct estimate *size = &sizes[chance__next(&chance) % 8];
		uint32_t weight = 0;

		size->nr++;
		if (!allocate(size->bytes, &weight))
			continue;
		size->nr_chosen++;
		size->weight += weight;
	}
	for (unsigned i = 0; i < 8; i++)
		check_estimate(&sizes[i], 4096);
}

static void test_limits(void **state)
{
	uint32_t weight = 7;

	sample__start(4096, 77);
	for (unsigned i = 0; i < 100000; i++)
		assert_false(allocate(0, &weight));
	assert_true(sample__chooses(UINT64_MAX, &weight));
	assert_int_equal(weight, 1);
	/* Its low word alone is 0. */
	assert_true(sample__chooses(1ull << 32, &weight));
	sample__start(1, 77);
	sample__forked(1);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(allocate(1, &weight));
	sample__start(0, 0);
	assert_true(sample__chooses(1, &weight));
	assert_int_equal(weight, 0);
}

/* A call that was left by a jump never resumed: the count is kept all the same. */
static void test_left(void **state)
{
	uint32_t weight, before;

	sample__start(1 << 20, 77);
	sample__forked(1);
	allocate(1, &weight);
	before = sample_thread.left;
	assert_true(before > 2);
	assert_false(sample__chooses(1, &weight));
	assert_false(allocate(1, &weight));
	assert_int_equal(sample_thread.left, before - 2);
}

static uint64_t way(uint64_t seed, uint32_t pid)
{
	uint64_t hash = 0;
	uint32_t weight;

	sample__start(1000, seed);
	sample__forked(pid);
	for (unsigned i = 0; i < 1000; i++)
		hash = chance__mix(hash + allocate(100, &weight));
	return hash;
}

static void test_seeds(void **state)
{
	assert_int_equal(way(1, 1), way(1, 1));
	assert_int_not_equal(way(1, 1), way(2, 1));
	assert_int_not_equal(way(1, 1), way(1, 2));
}

/* ---- the set --------------------------------------------------------------------------------- */

#define SET_BYTES (32u << 10)
#define SET_SLOTS (SET_BYTES / sizeof(uintptr_t))

static uint8_t set_memory[SET_BYTES] __attribute__((aligned(64)));

static int make_set(void **state)
{
	memset(set_memory, 0, sizeof(set_memory));
	live_set__init(set_memory, SET_BYTES);
	return 0;
}

static const void *block(uint64_t number)
{
	return (const void *)(uintptr_t)(0x10000 + number * 16);
}

static void test_before_set(void **state)
{
	assert_false(live_set__exists());
	assert_true(live_set__may_have(block(1)));
	assert_false(live_set__has(block(1)));
	assert_false(live_set__add(block(1)));
	assert_false(live_set__remove(block(1)));
	live_set__clear();
	assert_true(live_set__may_have(block(1)));
}

static void test_set(void **state)
{
	assert_true(live_set__exists());
	assert_false(live_set__may_have(block(1)));
	assert_true(live_set__add(block(1)));
	assert_true(live_set__add(block(1)));
	assert_true(live_set__may_have(block(1)));
	assert_true(live_set__has(block(1)));
	assert_false(live_set__has(block(2)));
	assert_true(live_set__remove(block(1)));
	assert_false(live_set__remove(block(1)));
	assert_false(live_set__may_have(block(1)));
	assert_false(live_set__has(NULL));
	assert_false(live_set__remove(NULL));
	assert_true(live_set__add(block(3)));
	live_set__clear();
	assert_false(live_set__may_have(block(3)));
	assert_false(live_set__has(block(3)));
}

/* It takes most of what there are slots for, loses none of it, and can be emptied again. */
static void test_full(void **state)
{
	unsigned nr = 0, nr_positive = 0;

	while (live_set__add(block(nr * 7)))
		nr++;
	assert_in_range(nr, SET_SLOTS * 3 / 4, SET_SLOTS);
	for (unsigned i = 0; i < nr; i++)
		assert_true(live_set__has(block(i * 7)) && live_set__may_have(block(i * 7)));
	assert_false(live_set__has(block(nr * 7)));
	for (unsigned i = 0; i < nr; i++)
		assert_true(live_set__remove(block(i * 7)));
	for (unsigned i = 0; i < nr * 7; i++)
		nr_positive += live_set__may_have(block(i));
	assert_int_equal(nr_positive, 0);
}

/* 200 samples, as a heap of 100 MB has at 512 KB: few frees look closer. */
static void test_few(void **state)
{
	unsigned nr_positive = 0;
	uint64_t chance = 3;

	for (unsigned i = 0; i < 200; i++)
		live_set__add(block(chance__next(&chance) >> 40));
	for (unsigned i = 0; i < 100000; i++)
		nr_positive += live_set__may_have(block(chance__next(&chance) >> 40));
	assert_in_range(nr_positive, 1, 10000);
}

/* A group that was ever full stays; others of it are found none the less. */
static void test_crowded_group(void **state)
{
	unsigned nr = 0;
	uint32_t group = live_set__group(block(0));

	for (uint64_t i = 0; nr < 300; i++) {
		if (live_set__group(block(i)) != group)
			continue;
		assert_true(live_set__add(block(i)));
		nr++;
	}
	nr = 0;
	for (uint64_t i = 0; nr < 300; i++)
		nr += live_set__remove(block(i));
	assert_true(live_set__may_have(block(0)));
	assert_false(live_set__has(block(0)));
	live_set__pin(block(1));
	live_set__clear();
	assert_true(live_set__may_have(block(1)));
}

static void test_resize(void **state)
{
	assert_false(live_set__begin_resize(block(1)));
	live_set__end_resize(block(1), true);
	/* It has failed. */
	live_set__add(block(1));
	assert_true(live_set__begin_resize(block(1)));
	live_set__end_resize(block(1), false);
	assert_true(live_set__has(block(1)));
	/* It has moved. */
	assert_true(live_set__begin_resize(block(1)));
	live_set__end_resize(block(1), true);
	assert_false(live_set__has(block(1)));
	assert_false(live_set__may_have(block(1)));
	/* It was left, twice: the block is still there. */
	live_set__add(block(1));
	assert_true(live_set__begin_resize(block(1)));
	assert_true(live_set__begin_resize(block(1)));
	assert_true(live_set__may_have(block(1)));
	assert_true(live_set__remove(block(1)));
	assert_false(live_set__may_have(block(1)));
	/* Another thread got the address meanwhile, for a sample. */
	live_set__add(block(1));
	live_set__begin_resize(block(1));
	assert_true(live_set__add(block(1)));
	live_set__end_resize(block(1), true);
	assert_true(live_set__remove(block(1)));
	assert_false(live_set__may_have(block(1)));
}

#define NR_THREADS 4
#define OWN_BLOCKS 150

/* Each has addresses of its own, all of them in the same buckets and groups as others'. */
static void *churn(void *arg)
{
	uint64_t chance = (uintptr_t)arg;
	bool is_in[OWN_BLOCKS] = { false };
	uintptr_t nr_wrong = 0;

	for (unsigned i = 0; i < 200000; i++) {
		unsigned n = (unsigned)(chance__next(&chance) % OWN_BLOCKS);
		const void *own = block(n * NR_THREADS + (uintptr_t)arg);

		nr_wrong += live_set__has(own) != is_in[n];
		nr_wrong += is_in[n] && !live_set__may_have(own);
		nr_wrong += !(is_in[n] ? live_set__remove(own) : live_set__add(own));
		is_in[n] = !is_in[n];
	}
	for (unsigned n = 0; n < OWN_BLOCKS; n++)
		nr_wrong += is_in[n] && !live_set__remove(block(n * NR_THREADS + (uintptr_t)arg));
	return (void *)nr_wrong;
}

static void test_threads(void **state)
{
	pthread_t threads[NR_THREADS];
	void *nr_wrong;

	for (uintptr_t i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		pthread_join(threads[i], &nr_wrong);
		assert_null(nr_wrong);
	}
	for (unsigned i = 0; i < LIVE_SET_GROUPS; i++)
		assert_int_equal(live_set_groups[i], LIVE_SET_NONE);
	for (unsigned i = 0; i < SET_BYTES; i++)
		assert_int_equal(set_memory[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_mean_gap),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_before_set),
		cmocka_unit_test_setup(test_set, make_set),
		cmocka_unit_test_setup(test_full, make_set),
		cmocka_unit_test_setup(test_few, make_set),
		cmocka_unit_test_setup(test_crowded_group, make_set),
		cmocka_unit_test_setup(test_resize, make_set),
		cmocka_unit_test_setup(test_threads, make_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
