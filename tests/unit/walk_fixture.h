/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the walker share: tables in ordinary memory instead of BPF maps, written by
 * unwind_tables.c, and a process of a few pieces of memory.
 */
#ifndef WALK_FIXTURE_H
#define WALK_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "source/unwind_space.h"
#include "source/unwind_tables.h"

/* Enough for 300 000 rows and the levels above them. */
#define FIXTURE_CHUNKS 4

struct fixture_memory {
	uint64_t address;
	const void *bytes;
	size_t len;
};

static struct fixture {
	struct unwind_tables tables;
	struct unwind_process process;
	struct unwind_slots slots;
	struct unwind_space space;
	struct fixture_memory memory[2];
	size_t nr_reads;
	/* A return probe of the kernel's is pending: at this slot stood that address. */
	uint64_t hijacked_slot, original_return;
} fixture;

static uint32_t unwind__generation(void *env)
{
	return ((const struct fixture *)env)->process.ranges_view;
}

static const struct unwind_view *unwind__view(void *env)
{
	const struct fixture *of = env;

	return &of->process.views[of->process.ranges_view & 1];
}

static const struct unwind_range_block *unwind__range_block(void *env, uint32_t number)
{
	return &((const struct fixture *)env)->space.blocks[number];
}

static const struct unwind_module *unwind__module(void *env, uint32_t number)
{
	const struct fixture *of = env;

	return number < of->tables.nr_modules ? &of->tables.modules[number] : NULL;
}

static const struct unwind_block *unwind__block(void *env, uint32_t number)
{
	return unwind_tables__block(&((struct fixture *)env)->tables, number);
}

static const struct unwind_rule *unwind__rule(void *env, uint32_t number)
{
	return unwind_tables__rule(&((struct fixture *)env)->tables, number);
}

/* As the kernel's: all or nothing. */
static int unwind__read(void *env, void *to, uint32_t bytes, uint64_t address)
{
	struct fixture *of = env;

	of->nr_reads++;
	for (size_t i = 0; i < ARRAY_SIZE(of->memory); i++) {
		const struct fixture_memory *memory = &of->memory[i];
		uint64_t offset = address - memory->address;

		if (offset < memory->len && bytes <= memory->len - offset) {
			memcpy(to, (const uint8_t *)memory->bytes + offset, bytes);
			return 0;
		}
	}
	return -1;
}

static uint64_t unwind__original_return(void *env, uint64_t slot)
{
	const struct fixture *of = env;

	return slot == of->hijacked_slot ? of->original_return : 0;
}

#include "unwind.h"

static struct unwind walk;

static inline void walk_from(uint64_t pc, uint64_t sp, uint64_t bp, bool is_return)
{
	memset(&walk, 0xee, sizeof(walk));
	fixture.nr_reads = 0;
	unwind__begin(&walk, &fixture, pc, sp, bp, is_return);
	for (int steps = 0; walk.status == UNWIND_GOING; steps++) {
		/* As often as the kernel's loop. */
		assert_true(steps <= WIRE_MAX_FRAMES);
		walk.status = unwind__step(&walk, &fixture);
	}
}

static int array_of(size_t bytes)
{
	int fd = memfd_create("array", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

/* Without root there are no BPF maps, but any file can be mapped, and chunks that are there already
 * need not be made. */
static int set_up(void **state)
{
	struct unwind_map_fds fds = {
		.modules = array_of(UNWIND_MAX_MODULES * sizeof(struct unwind_module)),
		.rules = array_of(UNWIND_MAX_RULES * 16),
		.chunks = -1,
	};
	const size_t chunk_bytes = UNWIND_CHUNK_BLOCKS * sizeof(struct unwind_block);

	fixture = (struct fixture){ 0 };
	assert_int_equal(unwind_tables__open(&fixture.tables, &fds), 0);
	close(fds.modules);
	close(fds.rules);
	for (size_t i = 0; i < FIXTURE_CHUNKS; i++)
		fixture.tables.chunks[i] = mmap(NULL, chunk_bytes, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fixture.space.process = &fixture.process;
	fixture.slots = (struct unwind_slots){ .max_blocks = 4 * UNWIND_MAX_RANGE_BLOCKS };
	fixture.space.slots = &fixture.slots;
	fixture.space.blocks =
		xcalloc(fixture.slots.max_blocks, sizeof(*fixture.space.blocks));
	unwind_space__publish(&fixture.space);
	return 0;
}

static int tear_down(void **state)
{
	unwind_tables__close(&fixture.tables);
	free(fixture.space.blocks);
	for (size_t i = 0; i < ARRAY_SIZE(fixture.slots.runs); i++)
		free(fixture.slots.runs[i].numbers);
	free(fixture.space.code);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif /* WALK_FIXTURE_H */
