// SPDX-License-Identifier: BSD-2-Clause
#include "source/unwind_space.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

#define VIEWS_BYTES	(2 * sizeof(struct unwind_ranges))
#define PROCESSES_BYTES (UNWIND_MAX_SLOTS * sizeof(struct unwind_process))

int unwind_slots__open(struct unwind_slots *slots, int processes_fd, int spaces_fd)
{
	void *processes = mmap(NULL, PROCESSES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			       processes_fd, 0);

	if (processes == MAP_FAILED)
		return -errno;
	*slots = (struct unwind_slots){ .spaces_fd = spaces_fd,
					.processes = processes,
					.nr_used = 1 /* slot 0 is nobody's */ };
	return 0;
}

void unwind_slots__close(struct unwind_slots *slots)
{
	for (uint32_t slot = 0; slot < slots->nr_used; slot++)
		if (slots->views[slot])
			munmap(slots->views[slot], VIEWS_BYTES);
	if (slots->processes)
		munmap(slots->processes, PROCESSES_BYTES);
	free(slots->unused);
	*slots = (struct unwind_slots){ .spaces_fd = -1 };
}

/* Makes the memory of a slot's views in the kernel, and maps it here. */
static int make_views(struct unwind_slots *slots, uint32_t slot)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_space", sizeof(uint32_t),
				sizeof(struct unwind_ranges), 2, &opts);
	void *views = MAP_FAILED;
	int err = 0;

	if (fd < 0)
		return -errno;
	views = mmap(NULL, VIEWS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (views == MAP_FAILED || bpf_map_update_elem(slots->spaces_fd, &slot, &fd, BPF_ANY))
		err = -errno;
	close(fd);
	if (!err)
		slots->views[slot] = views;
	else if (views != MAP_FAILED)
		munmap(views, VIEWS_BYTES);
	return err;
}

int unwind_space__open(struct unwind_space *space, struct unwind_slots *slots)
{
	uint32_t slot = slots->nr_unused ? slots->unused[slots->nr_unused - 1] : slots->nr_used;
	struct unwind_process *process;
	int err = 0;

	if (slot >= UNWIND_MAX_SLOTS)
		return -ENOSPC;
	if (!slots->views[slot])
		err = make_views(slots, slot);
	if (err)
		return err;
	if (slots->nr_unused)
		slots->nr_unused--;
	else
		slots->nr_used++;
	process = &slots->processes[slot];
	*process = (struct unwind_process){ .slot = slot, .serial = ++slots->next_serial };
	*space = (struct unwind_space){ .process = process, .views = slots->views[slot] };
	unwind_space__publish(space);
	return 0;
}

void unwind_space__close(struct unwind_space *space, struct unwind_slots *slots)
{
	if (space->process) {
		slots->unused = array__grow(slots->unused, slots->nr_unused,
					    &slots->unused_capacity, sizeof(*slots->unused));
		slots->unused[slots->nr_unused++] = space->process->slot;
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

void unwind_space__publish(struct unwind_space *space)
{
	uint32_t next = space->process->ranges_view + 1;
	struct unwind_ranges *view = &space->views[next & 1];
	size_t nr = min(space->nr_code, (size_t)UNWIND_MAX_RANGES);

	if (space->nr_code > nr && !space->too_many_told)
		log_warn("The process has more than %d executable mappings: stacks through the "
			 "highest are cut.",
			 UNWIND_MAX_RANGES);
	space->too_many_told = space->nr_code > nr;
	for (size_t i = 0; i < nr; i++) {
		const struct mapped_code *code = &space->code[i];

		view->start[i] = code->start;
		view->range[i] = (struct unwind_range){ .end = code->end,
							.bias = code->bias,
							.module = code->module };
	}
	/* Unused starts are above every address the search compares: 2^63 - 1. */
	for (size_t i = nr; i < UNWIND_MAX_RANGES; i++)
		view->start[i] = INT64_MAX;
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
