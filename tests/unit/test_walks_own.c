// SPDX-License-Identifier: BSD-2-Clause
/* The walker on stacks of this very process, with the tables of the files it runs from. */
#include "walk_fixture.h"

#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "capture.h"
#include "symbol/elf.h"
#include "unwind/cfi.h"

#define NOINLINE __attribute__((noinline, noclone))
/* A call before it stays a call. */
#define AFTER() __asm__ volatile("")

static struct capture capture;

static void map_file(const char *path, uint64_t start, uint64_t end, uint64_t offset)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_file *elf = elf__open(fd);
	struct unwind_table *table = cfi__compile(fd, NULL);
	uint64_t vaddr;

	assert_non_null(elf);
	assert_non_null(table);
	assert_int_equal(elf__offset_to_vaddr(elf, offset, &vaddr), 0);
	unwind_space__map(&fixture.space, start, end, vaddr,
			   unwind_tables__add(&fixture.tables, table));
	unwind_table__free(table);
	elf__close(elf);
	close(fd);
}

static int set_up_own(void **state)
{
	char line[4096], path[4096], execute;
	uint64_t start, end, offset;
	FILE *maps = fopen("/proc/self/maps", "re");

	log__set_level(LOG_ERROR);
	assert_non_null(maps);
	set_up(state);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*c%*c%c%*c %" SCNx64 " %*s %*s %4095s",
			   &start, &end, &execute, &offset, path) == 5 &&
		    execute == 'x' && path[0] == '/')
			map_file(path, start, end, offset);
	fclose(maps);
	unwind_space__publish(&fixture.space);
	return 0;
}

static void walk_capture(void)
{
	fixture.memory[0] =
		(struct fixture_memory){ capture.stack_address, capture.stack, capture.stack_len };
	walk_from(capture.regs[CAPTURE_PC], capture.regs[CAPTURE_RSP], capture.regs[CAPTURE_RBP],
		  true);
}

/* Equal from the caller of capture_here out to _start, or to where a thread begins. */
static void expect_all(void)
{
	walk_capture();
	assert_int_equal(walk.status, UNWIND_COMPLETE);
	assert_int_equal(walk.nr_frames, capture.nr_expected);
	assert_int_equal(walk.frames[0], capture.regs[CAPTURE_PC]);
	assert_memory_equal(walk.frames + 1, capture.expected + 1,
			    (walk.nr_frames - 1) * sizeof(*walk.frames));
}

static NOINLINE void deep(int depth)
{
	if (depth)
		deep(depth - 1);
	else
		capture_here(&capture);
	AFTER();
}

static void plain(void **state)
{
	for (int depth = 0; depth < 60; depth += 6) {
		deep(depth);
		assert_true(capture.nr_expected > (size_t)depth + 4);
		expect_all();
	}
}

static void too_deep(void **state)
{
	deep(300);
	walk_capture();
	assert_int_equal(walk.status, UNWIND_CUT);
	assert_int_equal(walk.nr_frames, WIRE_MAX_FRAMES);
	assert_memory_equal(walk.frames + 1, capture.expected + 1,
			    (walk.nr_frames - 1) * sizeof(*walk.frames));
}

static int compare(const void *a, const void *b)
{
	deep(0);
	return *(const int *)a - *(const int *)b;
}

static void through_libc(void **state)
{
	int numbers[2] = { 2, 1 };

	qsort(numbers, 2, sizeof(*numbers), compare);
	expect_all();
}

static NOINLINE void use_alloca(size_t size)
{
	char *space = alloca(size);

	memset(space, 0xcc, size);
	deep(1);
	__asm__ volatile("" ::"r"(space));
}

static void moved_stack_pointer(void **state)
{
	for (size_t size = 1; size < 5000; size = 3 * size + 11) {
		use_alloca(size);
		expect_all();
	}
}

/* Its stack pointer cannot be told from the frame pointer by a constant: the CFA is saved. */
static NOINLINE void align_stack(size_t size)
{
	char aligned[128] __attribute__((aligned(128)));
	char *space = alloca(size);

	__asm__ volatile("" ::"r"(aligned), "r"(space) : "memory");
	deep(1);
	__asm__ volatile("" ::"r"(aligned), "r"(space) : "memory");
}

static void aligned_stack(void **state)
{
	for (size_t size = 8; size < 400; size += 56) {
		align_stack(size);
		expect_all();
	}
}

static void *in_thread(void *data)
{
	deep(2);
	return NULL;
}

static void thread(void **state)
{
	pthread_t id;

	assert_int_equal(pthread_create(&id, NULL, in_thread, NULL), 0);
	assert_int_equal(pthread_join(id, NULL), 0);
	expect_all();
}

static void handle(int number)
{
	deep(1);
}

static void signal_handler(void **state)
{
	assert_true(signal(SIGUSR1, handle) != SIG_ERR);
	raise(SIGUSR1);
	expect_all();
}

/* However much of the stack can be read: a part of the whole, never something else. */
static void short_copies(void **state)
{
	size_t whole, last = 1;

	deep(5);
	whole = capture.stack_len;
	for (size_t len = 0; len < whole; len += 8) {
		capture.stack_len = len;
		walk_capture();
		assert_true(walk.nr_frames >= last);
		assert_memory_equal(walk.frames + 1, capture.expected + 1,
				    (walk.nr_frames - 1) * sizeof(*walk.frames));
		assert_int_equal(walk.status, walk.nr_frames < capture.nr_expected
						      ? UNWIND_LOST
						      : UNWIND_COMPLETE);
		last = walk.nr_frames;
	}
	assert_int_equal(last, capture.nr_expected);
}

#define OWN(name) cmocka_unit_test_setup_teardown(name, set_up_own, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OWN(plain),	    OWN(too_deep), OWN(through_libc),	OWN(moved_stack_pointer),
		OWN(aligned_stack), OWN(thread),   OWN(signal_handler), OWN(short_copies),
	};

	return cmocka_run_group_tests_name("walks_own", tests, NULL, NULL);
}
