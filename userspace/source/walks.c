// SPDX-License-Identifier: BSD-2-Clause
#include "source/walks.h"

#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

/* What the walker works on here: the tables shared with the kernel and a copy of the stack. */
struct walk_env {
	const struct unwind_tables *tables;
	const struct unwind_space *space;
	const struct wire_walk *record;
};

static uint32_t unwind__generation(void *env)
{
	return ((struct walk_env *)env)->space->process->ranges_view;
}

static const struct unwind_view *unwind__view(void *env)
{
	const struct unwind_space *space = ((struct walk_env *)env)->space;

	return &space->process->views[space->process->ranges_view & 1];
}

static const struct unwind_range_block *unwind__range_block(void *env, uint32_t number)
{
	return &((struct walk_env *)env)->space->blocks[number];
}

static const struct unwind_module *unwind__module(void *env, uint32_t number)
{
	const struct unwind_tables *tables = ((struct walk_env *)env)->tables;

	return number < tables->nr_modules ? &tables->modules[number] : NULL;
}

static const struct unwind_block *unwind__block(void *env, uint32_t number)
{
	return unwind_tables__block(((struct walk_env *)env)->tables, number);
}

static const struct unwind_rule *unwind__rule(void *env, uint32_t number)
{
	return unwind_tables__rule(((struct walk_env *)env)->tables, number);
}

static int unwind__read(void *env, void *to, uint32_t bytes, uint64_t address)
{
	const struct wire_walk *record = ((struct walk_env *)env)->record;
	uint64_t offset = address - record->regs[7];

	if (offset >= record->stack_len || bytes > record->stack_len - offset)
		return -1;
	memcpy(to, record->stack + offset, bytes);
	return 0;
}

/* The kernel's list of pending returns was not shipped. */
static uint64_t unwind__original_return(void *env, uint64_t slot)
{
	return 0;
}

#include "unwind.h"

enum { RBP = 6, RSP = 7, PC = 16 };

void walks__init(struct walks *walks, const struct unwind_tables *tables)
{
	*walks = (struct walks){ .tables = tables };
}

static void walk_by_tables(struct walks *walks, const struct unwind_space *space,
			   const struct wire_walk *record, struct unwind *walk)
{
	struct walk_env env = { .tables = walks->tables, .space = space, .record = record };

	unwind__begin(walk, &env, record->regs[PC], record->regs[RSP], record->regs[RBP], 1);
	while (walk->status == UNWIND_GOING)
		walk->status = unwind__step(walk, &env);
	walks->counts.by_tables += walk->status == UNWIND_COMPLETE;
}

/* Keeps the longer of the two walks. */
static void walk_by_libdwfl(struct walks *walks, struct finish *finish,
			    const struct wire_walk *record, struct unwind *walk)
{
	uint64_t frames[WIRE_MAX_FRAMES];
	bool complete = false;
	size_t nr;

	nr = finish__walk(finish, record->regs, true, record->stack, record->regs[RSP],
			  record->stack_len, frames, WIRE_MAX_FRAMES, &complete);
	walks->counts.by_libdwfl += complete;
	if (nr < walk->nr_frames && !complete)
		return;
	memcpy(walk->frames, frames, nr * sizeof(frames[0]));
	walk->nr_frames = (uint32_t)nr;
	if (complete)
		walk->status = UNWIND_COMPLETE;
}

void walks__note(struct walks *walks, const struct wire_stack *record)
{
	size_t bytes = record->nr_frames * sizeof(record->frames[0]);

	walks->last.record = *record;
	memcpy(walks->last.frames, record->frames, min(bytes, sizeof(walks->last.frames)));
}

static void report_difference(const struct walked *ours, const uint64_t *theirs, size_t nr_theirs,
			      size_t at)
{
	log_debug(
		"Stack %u differs from libdwfl's at frame %zu: %#lx, not %#lx (%u and %zu frames).",
		ours->record.id, at,
		at < ours->record.nr_frames ? (unsigned long)ours->frames[at] : 0,
		at < nr_theirs ? (unsigned long)theirs[at] : 0, ours->record.nr_frames, nr_theirs);
}

/* Compares the newest stack with what libdwfl makes of the same registers and memory. */
static void check(struct walks *walks, struct finish *finish, const struct wire_walk *record)
{
	const struct walked *ours = &walks->last;
	struct walk_counts *counts = &walks->counts;
	uint64_t theirs[WIRE_MAX_FRAMES];
	size_t nr_ours = ours->record.nr_frames, nr_theirs, nr_common, at = 0;
	bool complete = false;

	if (ours->record.id != record->id)
		return;
	nr_theirs = finish__walk(finish, record->regs, true, record->stack, record->regs[RSP],
				 record->stack_len, theirs, WIRE_MAX_FRAMES, &complete);
	nr_common = min(nr_ours, nr_theirs);
	while (at < nr_common && ours->frames[at] == theirs[at])
		at++;
	counts->checked++;
	if (at < nr_common) {
		counts->different++;
		report_difference(ours, theirs, nr_theirs, at);
	} else if (nr_ours == WIRE_MAX_FRAMES || (!complete && nr_theirs <= nr_ours)) {
		counts->agreeing++;
	} else if (nr_ours == nr_theirs) {
		counts->equal++;
	} else if (nr_ours < nr_theirs && ours->record.flags & WIRE_STACK_CUT) {
		counts->cut++;
	} else {
		counts->different++;
		report_difference(ours, theirs, nr_theirs, at);
	}
}

const struct wire_head *walks__finish(struct walks *walks, const struct walked_process *process,
				      const struct wire_walk *record)
{
	static struct unwind walk; /* zeroed before the first */
	static uint32_t serial;	   /* of the process whose rules its cache has */

	if (record->flags & WIRE_WALK_CHECK) {
		check(walks, process->finish, record);
		return NULL;
	}
	walks->counts.shipped++;
	if (serial != process->space->process->serial)
		memset(walk.cache, 0, sizeof(walk.cache));
	serial = process->space->process->serial;
	walk_by_tables(walks, process->space, record, &walk);
	if (walk.status == UNWIND_UNKNOWN || !walk.nr_frames)
		walk_by_libdwfl(walks, process->finish, record, &walk);
	walk.record = (struct wire_stack){
		.head = { .type = WIRE_STACK,
			  .size = (uint16_t)(sizeof(walk.record) +
					     walk.nr_frames * sizeof(walk.frames[0])),
			  .pid = record->head.pid },
		.time_ns = record->time_ns,
		.id = record->id,
		.nr_frames = (uint16_t)walk.nr_frames,
		.flags = walk.status == UNWIND_COMPLETE ? 0 : WIRE_STACK_CUT,
	};
	return &walk.record.head;
}
