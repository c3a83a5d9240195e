// SPDX-License-Identifier: BSD-2-Clause
#include "report/leaks.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "report/entries.h"

struct builder {
	struct model *model;
	const struct leaks_filter *filter;
	struct stacks *stacks; /* the model's, or their cut copies */
	uint32_t *cut_index;   /* by stack index: the index in `stacks`; NULL: they are the same */
	struct entries *entries; /* of each process */
};

/* Everything of a snapshot that one process needs is one allocation each, owned here. */
struct snapshot {
	struct leaks_report report;
	struct leaks *processes;
};

/* Stacks cut to filter->depth frames; those that become equal share an index. */
static void cut_stacks(struct builder *builder)
{
	struct stacks *whole = builder->model->stacks;
	uint32_t nr = stacks__count(whole);

	builder->cut_index = xcalloc(nr, sizeof(*builder->cut_index));
	builder->stacks = stacks__new();
	for (uint32_t i = 0; i < nr; i++) {
		struct stack stack = stacks__get(whole, i);
		uint32_t depth = (uint32_t)min((uint64_t)stack.nr_frames, builder->filter->depth);

		/* Ids of the copy are its callers' business: the old index + 1. */
		stacks__add(builder->stacks, i + 1, stack.frames, depth, false);
		builder->cut_index[i] = stacks__index(builder->stacks, i + 1);
	}
}

/* The frames of a location to out, unless it is NULL; returns how many there are. */
static uint32_t location_frames(const struct model *model, uint32_t index, uint64_t address,
				struct leak_frame *out)
{
	const struct location *location = modmap__location(model->modmap, index);
	const struct module *module = modmap__module(model->modmap, location->module);
	const struct sym_frame *names = NULL;
	uint32_t nr = sym__frames(model->sym, location, &names);

	for (uint32_t i = 0; out && i < max(nr, 1u); i++) {
		out[i] = (struct leak_frame){ .module = module ? module->path : NULL,
					      .offset = location->vaddr,
					      .address = address,
					      .inlined = i + 1 < nr };
		if (nr) {
			out[i].function = names[i].function;
			out[i].file = names[i].file;
			out[i].line = names[i].line;
		}
	}
	return max(nr, 1u);
}

static uint32_t count_frames(const struct model *model, const struct stack *stack)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < stack->nr_frames; i++)
		nr += location_frames(model, stack->frames[i], 0, NULL);
	return nr;
}

/* The frames of a stack as they were in space at a time; returns how many. */
static uint32_t stack_frames(const struct model *model, const struct space *space,
			     const struct stack *stack, uint64_t time_ns, struct leak_frame *out)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < stack->nr_frames; i++) {
		const struct location *location = modmap__location(model->modmap, stack->frames[i]);
		uint64_t address =
			space ? space__address(space, location, time_ns) : location->vaddr;

		nr += location_frames(model, stack->frames[i], address, out + nr);
	}
	return nr;
}

struct leak_frames leak_frames__of(const struct model *model, const struct space *space,
				   uint32_t index)
{
	struct stack stack = stacks__get(model->stacks, index);
	struct leak_frames result = { .cut = stack.cut };

	result.frames = xcalloc(count_frames(model, &stack), sizeof(*result.frames));
	result.nr = stack_frames(model, space, &stack, UINT64_MAX, result.frames);
	return result;
}

void leak_frames__clear(struct leak_frames *frames)
{
	free(frames->frames);
	*frames = (struct leak_frames){ 0 };
}

/* All names at once: processes share most of the files they come from. */
static void resolve_entries(const struct builder *builder, size_t nr_processes,
			    void (*progress)(uint32_t done, uint32_t modules, void *data),
			    void *data)
{
	uint32_t *stacks;
	size_t nr = 0;

	for (size_t i = 0; i < nr_processes; i++)
		nr += builder->entries[i].nr;
	stacks = xcalloc(nr, sizeof(*stacks));
	nr = 0;
	for (size_t i = 0; i < nr_processes; i++)
		for (size_t k = 0; k < builder->entries[i].nr; k++)
			stacks[nr++] = builder->entries[i].all[k].stack;
	model__resolve_stacks(builder->model, builder->stacks, stacks, nr, progress, data);
	free(stacks);
}

/* The frames of all entries of a process, for them to point into. */
static struct leak_frame *room_for_frames(const struct builder *builder,
					  const struct entries *entries)
{
	size_t nr = 0;

	for (size_t i = 0; i < entries->nr; i++) {
		struct stack stack = stacks__get(builder->stacks, entries->all[i].stack);

		nr += count_frames(builder->model, &stack);
	}
	return xcalloc(nr, sizeof(struct leak_frame));
}

static void fill_entries(const struct builder *builder, const struct entries *entries,
			 struct leaks *leaks, uint64_t end_ns)
{
	struct leak_frame *next;
	struct leak *all;

	if (!entries->nr)
		return;
	all = xcalloc(entries->nr, sizeof(*all));
	next = room_for_frames(builder, entries);
	for (size_t i = 0; i < entries->nr; i++) {
		const struct entry *from = &entries->all[i];
		struct stack stack = stacks__get(builder->stacks, from->stack);
		struct leak *to = &all[i];

		*to = (struct leak){ .bytes = from->bytes,
				     .blocks = from->blocks,
				     .oldest_ns = end_ns - min(from->oldest_at_ns, end_ns),
				     .newest_ns = end_ns - min(from->newest_at_ns, end_ns),
				     .family = entries->families[from->family].name,
				     .frames = next,
				     .cut = stack.cut };
		to->nr_frames = stack_frames(builder->model, leaks->process->space, &stack,
					     from->newest_at_ns, next);
		next += to->nr_frames;
		/* One location is several frames where functions were inlined. */
		if (builder->filter->depth && to->nr_frames > builder->filter->depth)
			to->nr_frames = (uint32_t)builder->filter->depth;
	}
	leaks->entries = all;
	leaks->nr_entries = entries->nr;
}

static int compare_families(const void *left, const void *right)
{
	const struct leak_family *a = left, *b = right;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->blocks < b->blocks ? 1 : a->blocks > b->blocks ? -1 : 0;
}

/* The figures of a process, and its entries without names. */
static struct entries count_process(const struct builder *builder, struct leaks *leaks)
{
	const struct process *process = leaks->process;
	const struct model *model = builder->model;
	struct sites counted = { 0 };
	const struct sites *sites = &process->end_sites;
	struct entries entries;

	if (!process->ended) {
		counted =
			sites__count(process->heap, model->stacks, model->end_ns, model->older_ns);
		sites = &counted;
	}
	leaks->totals = *process__totals(process);
	leaks->leaked_bytes = sites->bytes;
	leaks->leaked_blocks = sites->blocks;
	leaks->selfcheck = selfcheck__run(model, process);
	entries = entries__make(sites, model->functions, builder->cut_index, builder->filter);
	leaks->nr_hidden = entries.nr_hidden;
	sites__clear(&counted);
	return entries;
}

/* The rest of it. Sorted last: entries name families by index. */
static void finish_process(const struct builder *builder, struct leaks *leaks,
			   struct entries *entries)
{
	const struct process *process = leaks->process;

	fill_entries(builder, entries, leaks,
		     process->ended ? process->end_ns : builder->model->end_ns);
	if (entries->nr_families)
		qsort(entries->families, entries->nr_families, sizeof(*entries->families),
		      compare_families);
	leaks->families = entries->families;
	leaks->nr_families = entries->nr_families;
	free(entries->all);
}

struct leaks_report *leaks__build(struct model *model, const struct leaks_filter *filter,
				  void (*progress)(uint32_t done, uint32_t modules, void *data),
				  void *data)
{
	struct snapshot *snapshot = xcalloc(1, sizeof(*snapshot));
	struct builder builder = { .model = model, .filter = filter, .stacks = model->stacks };
	size_t nr = max(model->nr_processes, 1u);

	snapshot->processes = xcalloc(nr, sizeof(*snapshot->processes));
	builder.entries = xcalloc(nr, sizeof(*builder.entries));
	if (filter->depth)
		cut_stacks(&builder);
	for (size_t i = 0; i < nr; i++) {
		snapshot->processes[i].process =
			model->nr_processes ? model->processes[i] : model__first(model);
		builder.entries[i] = count_process(&builder, &snapshot->processes[i]);
	}
	resolve_entries(&builder, nr, progress, data);
	snapshot->report = (struct leaks_report){ .model = model,
						  .processes = snapshot->processes,
						  .nr_processes = nr };
	for (size_t i = 0; i < nr; i++) {
		finish_process(&builder, &snapshot->processes[i], &builder.entries[i]);
		snapshot->report.nr_entries += snapshot->processes[i].nr_entries;
	}
	free(builder.entries);
	free(builder.cut_index);
	if (builder.stacks != model->stacks)
		stacks__free(builder.stacks);
	return &snapshot->report;
}

void leaks__free(struct leaks_report *report)
{
	struct snapshot *snapshot = (struct snapshot *)report;

	if (!snapshot)
		return;
	for (size_t i = 0; i < report->nr_processes; i++) {
		struct leaks *leaks = &snapshot->processes[i];

		/* The frames of all entries are one array. */
		if (leaks->nr_entries)
			free((void *)leaks->entries[0].frames);
		free((void *)leaks->entries);
		free((void *)leaks->families);
	}
	free(snapshot->processes);
	free(snapshot);
}
