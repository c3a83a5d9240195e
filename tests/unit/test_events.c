// SPDX-License-Identifier: BSD-2-Clause
/* What observers of a heap are told, record by record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "heap/heap.h"
#include "heap/threads.h"
#include "wire.h"

#define P 0x1000
#define Q 0x2000

static struct heap *heap;
static uint64_t now;
static char told[512]; /* a word an event */

static void note(const struct heap_event *event, void *data)
{
	static const char *const names[] = { [HEAP_BORN] = "born",
					     [HEAP_DIED] = "died",
					     [HEAP_REPLACED] = "replaced",
					     [HEAP_FAILED] = "failed",
					     [HEAP_UNKNOWN] = "unknown" };
	size_t used = strlen(told);

	assert_ptr_equal(data, told);
	assert_int_equal(event->time_ns, now);
	if (event->block) {
		assert_int_equal(event->addr, event->block->addr);
		assert_int_equal(event->bytes, heap_block__bytes(event->block));
		assert_int_equal(event->weight, heap_block__weight(event->block));
	}
	snprintf(told + used, sizeof(told) - used, "%s(%#llx,%llu)%s%s%s ", names[event->kind],
		 (unsigned long long)event->addr, (unsigned long long)event->bytes,
		 event->temporary ? "t" : "", event->by_realloc ? "r" : "", event->old ? "o" : "");
}

static void check(const char *wanted)
{
	assert_string_equal(told, wanted);
	told[0] = '\0';
}

static void allocate(uint32_t tid, uint64_t addr, uint64_t bytes, uint16_t flags)
{
	struct wire_alloc record = { .time_ns = ++now,
				     .addr = addr,
				     .bytes = bytes,
				     .tid = tid,
				     .func = 1,
				     .flags = flags };

	heap__alloc(heap, &record);
}

static void release(uint32_t tid, uint64_t addr, uint16_t flags)
{
	struct wire_free record = {
		.time_ns = ++now, .addr = addr, .tid = tid, .func = 5, .flags = flags
	};

	heap__release(heap, &record);
}

static int set_up(void **state)
{
	heap = heap__new();
	heap__observe(heap, note, told);
	told[0] = '\0';
	return 0;
}

static int tear_down(void **state)
{
	heap__free(heap);
	return 0;
}

static void test_a_block_is_born_and_dies(void **state)
{
	allocate(1, P, 10, 0);
	check("born(0x1000,10) ");
	allocate(1, Q, 20, 0);
	release(1, P, 0);
	check("born(0x2000,20) died(0x1000,10) ");
}

static void test_a_block_freed_before_the_next_allocation_is_temporary(void **state)
{
	allocate(1, P, 10, 0);
	allocate(2, Q, 20, 0); /* another thread's does not matter */
	release(2, P, 0);      /* nor who frees it */
	release(2, Q, 0);
	check("born(0x1000,10) born(0x2000,20) died(0x1000,10)t died(0x2000,20)t ");
	allocate(1, P, 10, 0);
	allocate(1, 0, 99, 0); /* one that fails is none */
	release(1, P, 0);
	check("born(0x1000,10) failed(0,99) died(0x1000,10)t ");
}

static void test_a_realloc_is_a_death_and_a_birth(void **state)
{
	allocate(1, P, 10, 0);
	release(1, P, WIRE_FREE_REALLOC);
	check("born(0x1000,10) ");
	allocate(1, Q, 20, WIRE_ALLOC_REALLOC);
	check("died(0x1000,10)r born(0x2000,20)ro ");
	release(1, Q, WIRE_FREE_REALLOC);
	allocate(1, 0, 0, WIRE_ALLOC_REALLOC); /* realloc(p, 0), a free like others */
	check("died(0x2000,20)tr ");
	allocate(1, P, 10, 0);
	allocate(1, Q, 20, 0);
	release(1, P, WIRE_FREE_REALLOC);
	allocate(1, 0, 0, WIRE_ALLOC_REALLOC);
	check("born(0x1000,10) born(0x2000,20) died(0x1000,10)r ");
}

static uint32_t told_stack;

static void note_stack(const struct heap_event *event, void *data)
{
	told_stack = event->stack;
}

static void test_a_longer_free_has_a_stack(void **state)
{
	struct wire_free_from record = {
		.free = { .head = { .type = WIRE_FREE, .size = sizeof(record) }, .addr = P },
		.stack = 77,
	};

	heap__observe(heap, note_stack, NULL);
	allocate(1, P, 10, 0);
	heap__release(heap, &record.free);
	assert_int_equal(told_stack, 77);
	told_stack = 1;
	record.free.head.size = sizeof(record.free);
	heap__release(heap, &record.free);
	assert_int_equal(told_stack, 0);
}

static void test_a_failed_realloc_leaves_its_block(void **state)
{
	allocate(1, P, 10, 0);
	release(1, P, WIRE_FREE_REALLOC);
	allocate(1, 0, 99, WIRE_ALLOC_REALLOC);
	release(1, P, 0);
	check("born(0x1000,10) failed(0,99)ro died(0x1000,10)t ");
}

static void test_what_is_not_known_is_told(void **state)
{
	release(1, P, 0);
	release(1, Q, WIRE_FREE_REALLOC);
	allocate(1, P, 10, WIRE_ALLOC_REALLOC);
	check("unknown(0x1000,0) unknown(0x2000,0)r born(0x1000,10)r ");
	allocate(1, P, 20, 0);
	check("replaced(0x1000,10) born(0x1000,20) ");
}

static void test_a_block_knows_its_thread_in_the_copy_too(void **state)
{
	struct heap_block block = { .thread = 1 };
	struct heap *copy;

	allocate(71, P, 10, 0);
	allocate(72, Q, 10, 0);
	assert_int_equal(heap__tid(heap, &block), 72);
	copy = heap__copy(heap);
	assert_int_equal(heap__tid(copy, &block), 72);
	heap__free(copy);
	check("born(0x1000,10) born(0x2000,10) ");
}

static void test_too_many_threads_share_the_last_slot(void **state)
{
	struct threads threads = { 0 };

	for (uint32_t tid = 1; tid <= 70000; tid++) {
		uint16_t slot = threads__slot(&threads, tid);

		assert_int_equal(slot, min(tid - 1, THREADS_OTHER));
		assert_int_equal(threads__slot(&threads, tid), slot);
	}
	assert_int_equal(threads__slot(&threads, 5), 4);
	assert_int_equal(threads__tid(&threads, 4), 5);
	assert_int_equal(threads__tid(&threads, THREADS_OTHER), 0);
	threads__clear(&threads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_block_is_born_and_dies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_block_freed_before_the_next_allocation_is_temporary, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_a_realloc_is_a_death_and_a_birth, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_failed_realloc_leaves_its_block, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_longer_free_has_a_stack, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_not_known_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_block_knows_its_thread_in_the_copy_too,
						set_up, tear_down),
		cmocka_unit_test(test_too_many_threads_share_the_last_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
