// SPDX-License-Identifier: BSD-2-Clause
#include "source/unwind_space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/util.h"

#define PROCESSES_BYTES (UNWIND_MAX_SLOTS * sizeof(struct unwind_process))

static void keep_spare(struct unwind_spare *spare, uint32_t number)
{
	spare->numbers =
		array__grow(spare->numbers, spare->nr, &spare->capacity, sizeof(*spare->numbers));
	spare->numbers[spare->nr++] = number;
}

int unwind_slots__open(struct unwind_slots *slots, int processes_fd, int ranges_fd,
		       uint32_t max_blocks)
{
	size_t bytes = max_blocks * sizeof(*slots->blocks);
	void *processes =
		mmap(NULL, PROCESSES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, processes_fd, 0);
	void *blocks = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ranges_fd, 0);
	int err = -errno;

	if (processes != MAP_FAILED && blocks != MAP_FAILED) {
		*slots = (struct unwind_slots){ .processes = processes,
						.blocks = blocks,
						.max_blocks = max_blocks,
						.nr_slots = 1 /* slot 0 is nobody's */ };
		return 0;
	}
	if (processes != MAP_FAILED)
		munmap(processes, PROCESSES_BYTES);
	if (blocks != MAP_FAILED)
		munmap(blocks, bytes);
	return err;
}

void unwind_slots__close(struct unwind_slots *slots)
{
	if (slots->processes)
		munmap(slots->processes, PROCESSES_BYTES);
	if (slots->blocks)
		munmap(slots->blocks, slots->max_blocks * sizeof(*slots->blocks));
	for (size_t i = 0; i < ARRAY_SIZE(slots->runs); i++)
		free(slots->runs[i].numbers);
	free(slots->slots.numbers);
	*slots = (struct unwind_slots){ 0 };
}

/* The place in slots->runs of pairs of views with so many blocks each, a power of two. */
static struct unwind_spare *runs_of(struct unwind_slots *slots, uint32_t nr_blocks)
{
	return &slots->runs[__builtin_ctz(nr_blocks)];
}

/* Both views move to blocks of their own, nr_blocks each, with nothing in them yet. False: there
 * are not so many. The kernel reads a view only after it was published, and the old blocks stay as
 * they are until somebody else gets them. */
static bool take_blocks(struct unwind_space *space, uint32_t nr_blocks)
{
	struct unwind_slots *slots = space->slots;
	struct unwind_spare *runs;
	uint32_t first;

	if (!slots)
		return false;
	runs = runs_of(slots, nr_blocks);
	if (runs->nr) {
		first = runs->numbers[--runs->nr];
	} else {
		if (slots->max_blocks - slots->nr_blocks < 2 * nr_blocks)
			return false;
		first = slots->nr_blocks;
		slots->nr_blocks += 2 * nr_blocks;
	}
	if (space->nr_blocks)
		keep_spare(runs_of(slots, space->nr_blocks), space->first_block);
	space->nr_blocks = nr_blocks;
	space->first_block = first;
	return true;
}

int unwind_space__open(struct unwind_space *space, struct unwind_slots *slots)
{
	bool reuse = slots->slots.nr > 0;
	uint32_t slot = reuse ? slots->slots.numbers[slots->slots.nr - 1] : slots->nr_slots;
	struct unwind_process *process;

	if (slot >= UNWIND_MAX_SLOTS)
		return -ENOSPC;
	process = &slots->processes[slot];
	*process = (struct unwind_process){ .slot = slot, .serial = ++slots->next_serial };
	*space = (struct unwind_space){ .process = process,
					.blocks = slots->blocks,
					.slots = slots };
	if (!take_blocks(space, 1))
		return -ENOSPC;
	if (reuse)
		slots->slots.nr--;
	else
		slots->nr_slots++;
	unwind_space__publish(space);
	return 0;
}

void unwind_space__close(struct unwind_space *space, struct unwind_slots *slots)
{
	if (space->process) {
		keep_spare(runs_of(slots, space->nr_blocks), space->first_block);
		keep_spare(&slots->slots, space->process->slot);
	}
	free(space->code);
	*space = (struct unwind_space){ 0 };
}

static void insert_code(struct unwind_space *space, size_t at, const struct mapped_code *code)
{
	if (code->start >= code->end)
		return;
	space->code = array__grow(space->code, space->nr_code, &space->code_capacity,
				  sizeof(*space->code));
	memmove(&space->code[at + 1], &space->code[at],
		(space->nr_code - at) * sizeof(*space->code));
	space->code[at] = *code;
	space->nr_code++;
}

static void remove_code(struct unwind_space *space, size_t at)
{
	memmove(&space->code[at], &space->code[at + 1],
		(--space->nr_code - at) * sizeof(*space->code));
}

/* Takes [new->start, new->end) out of what is mapped. Returns where a range from there belongs. */
static size_t cut_out(struct unwind_space *space, const struct mapped_code *new, bool *replaced)
{
	size_t at = 0;

	while (at < space->nr_code && space->code[at].end <= new->start)
		at++;
	while (at < space->nr_code && space->code[at].start < new->end) {
		struct mapped_code old = space->code[at], rest = old;

		*replaced |= old.module != new->module || old.bias != new->bias;
		remove_code(space, at);
		rest.start = new->end;
		insert_code(space, at, &rest);
		old.end = new->start;
		if (old.start < old.end)
			insert_code(space, at++, &old);
		if (rest.start < rest.end)
			break;
	}
	return at;
}

bool unwind_space__map(struct unwind_space *space, uint64_t start, uint64_t end, uint64_t vaddr,
		       uint32_t module)
{
	struct mapped_code code = { start, end, start - vaddr, module };
	bool replaced = false;

	/* The walker compares addresses as signed numbers; the kernel's half (vsyscall) has no use.
	 */
	if (end <= INT64_MAX)
		insert_code(space, cut_out(space, &code, &replaced), &code);
	return replaced;
}

void unwind_space__unmap_all(struct unwind_space *space)
{
	space->nr_code = 0;
}

void unwind_space__copy(struct unwind_space *space, const struct unwind_space *from)
{
	space->nr_code = 0;
	for (size_t i = 0; i < from->nr_code; i++)
		insert_code(space, i, &from->code[i]);
}

/* How many of the mappings there is room for, after making some. */
static size_t make_room(struct unwind_space *space)
{
	size_t nr = min(space->nr_code, (size_t)UNWIND_MAX_RANGES);
	uint32_t wanted = max(space->nr_blocks, 1u);

	while (wanted * UNWIND_BLOCK_RANGES < nr)
		wanted *= 2;
	if (wanted > space->nr_blocks && !take_blocks(space, wanted))
		nr = min(nr, (size_t)space->nr_blocks * UNWIND_BLOCK_RANGES);
	if (space->nr_code > nr && !space->too_many_told)
		log_warn("A process has more executable mappings than heaptap has room for, %zu: "
			 "stacks through the highest are cut.",
			 nr);
	space->too_many_told = space->nr_code > nr;
	return nr;
}

static void fill_block(const struct unwind_space *space, struct unwind_range_block *block,
		       size_t from, size_t nr)
{
	for (size_t i = 0; i < UNWIND_BLOCK_RANGES; i++) {
		const struct mapped_code *code = &space->code[from + i];

		/* Unused starts are above every address the search compares: 2^63 - 1. */
		if (from + i >= nr) {
			block->start[i] = INT64_MAX;
			continue;
		}
		block->start[i] = code->start;
		block->range[i] = (struct unwind_range){ .end = code->end,
							 .bias = code->bias,
							 .module = code->module };
	}
}

void unwind_space__publish(struct unwind_space *space)
{
	uint32_t next = space->process->ranges_view + 1;
	struct unwind_view *view = &space->process->views[next & 1];
	size_t nr = make_room(space);

	view->first_block = space->first_block + (next & 1) * space->nr_blocks;
	for (uint32_t i = 0; i < UNWIND_MAX_RANGE_BLOCKS; i++) {
		struct unwind_range_block *block = &space->blocks[view->first_block + i];
		size_t from = (size_t)i * UNWIND_BLOCK_RANGES;

		if (i < space->nr_blocks)
			fill_block(space, block, from, nr);
		view->start[i] = from < nr ? block->start[0] : INT64_MAX;
	}
	__atomic_store_n(&space->process->ranges_view, next, __ATOMIC_RELEASE);
}

uint32_t unwind_space__epoch(const struct unwind_space *space)
{
	return __atomic_load_n(&space->process->address_epoch, __ATOMIC_ACQUIRE);
}

void unwind_space__set_epoch(struct unwind_space *space, uint32_t epoch)
{
	__atomic_store_n(&space->process->ranges_epoch, epoch, __ATOMIC_RELEASE);
}

void unwind_space__begin_epoch(struct unwind_space *space)
{
	/* Not simply the new one: exec may have begun another meanwhile. */
	uint32_t epoch = space->process->ranges_epoch + 1;

	__atomic_add_fetch(&space->process->address_epoch, 1, __ATOMIC_ACQ_REL);
	unwind_space__set_epoch(space, epoch);
}
