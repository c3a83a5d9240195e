// SPDX-License-Identifier: BSD-2-Clause
#include "report/process.h"

#include <stdlib.h>

#include "base/util.h"
#include "report/observer.h"
#include "wire.h"

/* What an allocator needs for a small block at most: a head, a least size, alignment. */
#define BLOCK_OVERHEAD 32

static struct process *new_process(uint32_t pid)
{
	struct process *process = xcalloc(1, sizeof(*process));

	process->pid = pid;
	return process;
}

struct process *process__new(uint32_t pid, struct modmap *map)
{
	struct process *process = new_process(pid);

	process->heap = heap__new();
	process->space = space__new(map);
	return process;
}

struct process *process__fork(const struct process *parent, uint32_t child)
{
	struct process *process = new_process(child);

	process->parent = parent->pid;
	process->sample_bytes = parent->sample_bytes;
	process->watched_whole = parent->watched_whole;
	process->whole_after_exec = parent->watched_whole;
	process->shares_heap = true;
	process->heap = heap__copy(parent->heap);
	process->space = space__copy(parent->space);
	return process;
}

void process__free(struct process *process)
{
	if (!process)
		return;
	heap__free(process->heap);
	space__free(process->space);
	sites__clear(&process->end_sites);
	free(process);
}

static const char *intern(struct strtab *texts, const char *text, uint32_t len)
{
	return strtab__text(texts, strtab__add(texts, text, len));
}

void process__set_target(struct process *process, const struct wire_target *record,
			 struct strtab *texts)
{
	const char *exe = (const char *)(record + 1), *arguments = exe + record->exe_len;
	uint32_t len = record->cmdline_len;
	char *cmdline;

	while (len && !arguments[len - 1])
		len--;
	cmdline = xmalloc(len + 1);
	for (uint32_t i = 0; i < len; i++)
		cmdline[i] = arguments[i] ? arguments[i] : ' ';
	process->exe = intern(texts, exe, record->exe_len);
	process->cmdline = intern(texts, cmdline, len);
	free(cmdline);
	process->started_ns = record->started_ns;
	process->launched = record->flags & WIRE_TARGET_LAUNCHED;
	process->watched_whole |= process->launched;
	process->sample_bytes = record->sample_bytes;
	process->is_snapshot = record->flags & WIRE_TARGET_SNAPSHOT;
	heap__set_sampled(process->heap, record->sample_bytes != 0);
}

static void begin_observing(struct process *process)
{
	for (struct observer *o = process->observers; o; o = o->next)
		if (o->begin)
			o->begin(process, o->data);
}

void process__observe(struct process *process, struct observer *observers)
{
	process->observers = observers;
	if (observers)
		heap__observe(process->heap, observer__happened, process);
	begin_observing(process);
}

void process__exec(struct process *process, struct modmap *map)
{
	heap__reset(process->heap);
	space__free(process->space);
	process->space = space__new(map);
	process->memory = (struct process_memory){ 0 };
	process->watched_whole |= process->whole_after_exec;
	process->shares_heap = false;
	process->nr_copied = 0;
	begin_observing(process);
}

void process__add_memory(struct process *process, const struct wire_memory *record)
{
	struct process_memory *memory = &process->memory;
	const struct heap_totals *totals = process__totals(process);
	uint64_t bytes =
		record->anonymous_bytes - min(record->stack_bytes, record->anonymous_bytes);
	uint64_t nr_blocks = max(totals->peak_blocks, totals->live_blocks);
	uint64_t allocated = totals->peak_bytes + nr_blocks * BLOCK_OVERHEAD, growth;

	/* What is watched from its start begins with nothing, however late somebody looks. */
	if (!memory->known && (!process->watched_whole || process->shares_heap))
		memory->first_bytes = bytes;
	growth = bytes - min(bytes, memory->first_bytes);
	if (!memory->known ||
	    (double)growth - 2.0 * (double)allocated >
		    (double)memory->growth_bytes - 2.0 * (double)memory->allocated_bytes) {
		memory->growth_bytes = growth;
		memory->allocated_bytes = allocated;
	}
	memory->known = true;
}

void process__end(struct process *process, const struct stacks *stacks, uint64_t end_ns,
		  const struct block_filter *filter)
{
	for (struct observer *o = process->observers; o; o = o->next)
		if (o->end)
			o->end(process, o->data);
	process->ended = true;
	process->end_ns = end_ns;
	process->end_totals = *heap__totals(process->heap);
	process->end_sites = sites__count(process->heap, stacks, end_ns, filter);
	heap__free(process->heap);
	process->heap = NULL;
}

const struct heap_totals *process__totals(const struct process *process)
{
	return process->heap ? heap__totals(process->heap) : &process->end_totals;
}
