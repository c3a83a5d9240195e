// SPDX-License-Identifier: BSD-2-Clause
#include "report/leaks.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"

/* Told apart in a process; there are a dozen. */
#define MAX_FAMILIES 64

/* A site while it is counted: one stack, cut to the wanted depth, and one family. */
struct site {
	uint32_t stack; /* index */
	const char *family;
	uint64_t bytes, blocks;
	uint64_t oldest_at_ns, newest_at_ns; /* when they were allocated */
};

struct builder {
	struct model *model;
	const struct leaks_filter *filter;
	struct stacks *stacks; /* the model's, or their cut copies */
	uint32_t *cut_index;   /* by stack index: the index in `stacks`; 0: not cut yet */
	struct site *sites;
	size_t nr_sites, sites_capacity;
	struct hmap by_place; /* index in `stacks` and family's number -> index in sites */
	const char *families[MAX_FAMILIES];
	struct leaks *leaks;
};

/* The number of a family, in the order they are met. The last one stands for all that are too many. */
static size_t family_number(struct builder *builder, const char *family)
{
	size_t *nr = &builder->leaks->nr_families, i;

	for (i = 0; i < *nr; i++)
		if (builder->families[i] == family || !strcmp(builder->families[i], family))
			return i;
	if (*nr < MAX_FAMILIES)
		builder->families[(*nr)++] = family;
	return *nr - 1;
}

static struct site *find_site(struct builder *builder, uint32_t stack, uint16_t func)
{
	const char *family = functions__name(&builder->model->functions, func)->family;
	size_t number = family_number(builder, family);
	uint64_t place = (uint64_t)stack * MAX_FAMILIES + number;
	const uint64_t *index = hmap__find(&builder->by_place, place);

	if (index)
		return &builder->sites[*index];
	builder->sites = array__grow(builder->sites, builder->nr_sites, &builder->sites_capacity,
				     sizeof(*builder->sites));
	hmap__set(&builder->by_place, place, builder->nr_sites);
	builder->sites[builder->nr_sites] =
		(struct site){ .stack = stack, .family = builder->families[number] };
	return &builder->sites[builder->nr_sites++];
}

/* Everything of a snapshot is one allocation each, owned here. */
struct snapshot {
	struct leaks leaks;
	struct leak *entries;
	struct leak_frame *frames;
};

/* The index in builder->stacks of a stack of the model's: itself, or its copy cut to filter->depth
 * frames; those that become equal share one. */
static uint32_t shown_stack(struct builder *builder, uint32_t index)
{
	struct stack stack;
	uint32_t depth;

	if (!builder->cut_index || !index)
		return index;
	if (!builder->cut_index[index]) {
		stack = stacks__get(builder->model->stacks, index);
		depth = (uint32_t)min((uint64_t)stack.nr_frames, builder->filter->depth);
		/* Ids of the copy are our own business: the old index. */
		stacks__add(builder->stacks, index, stack.frames, depth, false);
		builder->cut_index[index] = stacks__index(builder->stacks, index);
	}
	return builder->cut_index[index];
}

static void count_block(const struct heap_block *block, void *data)
{
	struct builder *builder = data;
	uint64_t end_ns = builder->leaks->process->end_ns;
	uint64_t age_ns = end_ns - min(block->time_ns, end_ns);
	uint32_t index = stacks__index(builder->model->stacks, block->stack);
	struct site *site;

	if (age_ns < builder->filter->older_ns)
		return;
	site = find_site(builder, shown_stack(builder, index), block->func);
	if (!site->blocks || block->time_ns < site->oldest_at_ns)
		site->oldest_at_ns = block->time_ns;
	site->newest_at_ns = max(site->newest_at_ns, block->time_ns);
	site->bytes += block->bytes;
	site->blocks++;
	builder->leaks->leaked_bytes += block->bytes;
	builder->leaks->leaked_blocks++;
}

/* Largest first; equal ones in the order their stacks were first met, so that output is stable. */
static int compare_sites(const void *left, const void *right)
{
	const struct site *a = left, *b = right;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	if (a->blocks != b->blocks)
		return a->blocks < b->blocks ? 1 : -1;
	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	return strcmp(a->family, b->family);
}

/* Sorts the sites that pass the filters to the front; returns their number. */
static size_t select_sites(struct builder *builder)
{
	const struct leaks_filter *filter = builder->filter;
	size_t nr = 0;

	for (size_t i = 0; i < builder->nr_sites; i++) {
		const struct site *site = &builder->sites[i];

		if (site->bytes >= filter->min_bytes && site->blocks >= filter->min_count)
			builder->sites[nr++] = *site;
	}
	qsort(builder->sites, nr, sizeof(*builder->sites), compare_sites);
	if (filter->top && nr > filter->top)
		nr = filter->top;
	builder->leaks->nr_hidden = builder->nr_sites - nr;
	return nr;
}

/* The frames of a location to out, unless it is NULL; returns how many there are. */
static uint32_t location_frames(const struct model *model, uint32_t index, struct leak_frame *out)
{
	const struct location *location = modmap__location(model->modmap, index);
	const struct module *module = modmap__module(model->modmap, location->module);
	const struct sym_frame *names = NULL;
	uint32_t nr = sym__frames(model->sym, location, &names);

	for (uint32_t i = 0; out && i < max(nr, 1u); i++) {
		out[i] = (struct leak_frame){ .module = module ? module->path : NULL,
					      .offset = location->vaddr,
					      .address = location->address,
					      .inlined = i + 1 < nr };
		if (nr) {
			out[i].function = names[i].function;
			out[i].file = names[i].file;
			out[i].line = names[i].line;
		}
	}
	return max(nr, 1u);
}

struct leak_frames leak_frames__of(const struct model *model, uint32_t index)
{
	struct stack stack = stacks__get(model->stacks, index);
	struct leak_frames result = { .cut = stack.cut };
	uint32_t room = 0;

	for (uint32_t i = 0; i < stack.nr_frames; i++)
		room += location_frames(model, stack.frames[i], NULL);
	result.frames = xcalloc(room, sizeof(*result.frames));
	for (uint32_t i = 0; i < stack.nr_frames; i++)
		result.nr += location_frames(model, stack.frames[i], result.frames + result.nr);
	return result;
}

void leak_frames__clear(struct leak_frames *frames)
{
	free(frames->frames);
	*frames = (struct leak_frames){ 0 };
}

static void resolve_sites(const struct builder *builder, size_t nr_sites,
			  void (*progress)(uint32_t done, uint32_t modules, void *data), void *data)
{
	uint32_t *stacks = xcalloc(nr_sites, sizeof(*stacks));

	for (size_t i = 0; i < nr_sites; i++)
		stacks[i] = builder->sites[i].stack;
	model__resolve_stacks(builder->model, builder->stacks, stacks, nr_sites, progress, data);
	free(stacks);
}

static size_t count_frames(const struct builder *builder, size_t nr_sites)
{
	size_t nr = 0;

	for (size_t i = 0; i < nr_sites; i++) {
		struct stack stack = stacks__get(builder->stacks, builder->sites[i].stack);

		for (uint32_t k = 0; k < stack.nr_frames; k++)
			nr += location_frames(builder->model, stack.frames[k], NULL);
	}
	return nr;
}

static void fill_entries(const struct builder *builder, struct snapshot *snapshot, size_t nr_sites)
{
	uint64_t end_ns = builder->leaks->process->end_ns;
	struct leak_frame *next;

	snapshot->entries = xcalloc(nr_sites, sizeof(*snapshot->entries));
	next = xcalloc(count_frames(builder, nr_sites), sizeof(*snapshot->frames));
	snapshot->frames = next;
	for (size_t i = 0; i < nr_sites; i++) {
		const struct site *site = &builder->sites[i];
		struct stack stack = stacks__get(builder->stacks, site->stack);
		struct leak *entry = &snapshot->entries[i];

		*entry = (struct leak){ .family = site->family,
					.bytes = site->bytes,
					.blocks = site->blocks,
					.oldest_ns = end_ns - min(site->oldest_at_ns, end_ns),
					.newest_ns = end_ns - min(site->newest_at_ns, end_ns),
					.frames = next,
					.cut = stack.cut };
		for (uint32_t k = 0; k < stack.nr_frames; k++)
			next += location_frames(builder->model, stack.frames[k], next);
		entry->nr_frames = (uint32_t)(next - entry->frames);
		/* One location is several frames where functions were inlined. */
		if (builder->filter->depth && entry->nr_frames > builder->filter->depth)
			entry->nr_frames = (uint32_t)builder->filter->depth;
	}
	snapshot->leaks.entries = snapshot->entries;
	snapshot->leaks.nr_entries = nr_sites;
}

struct leaks *leaks__build(struct model *model, const struct process *process,
			   const struct leaks_filter *filter,
			   void (*progress)(uint32_t done, uint32_t modules, void *data),
			   void *data)
{
	struct snapshot *snapshot = xcalloc(1, sizeof(*snapshot));
	struct builder builder = {
		.model = model, .filter = filter, .stacks = model->stacks, .leaks = &snapshot->leaks
	};
	size_t nr_sites;

	snapshot->leaks.model = model;
	snapshot->leaks.process = process;
	snapshot->leaks.totals = *heap__totals(process->heap);
	if (filter->depth) {
		builder.cut_index =
			xcalloc(stacks__count(model->stacks), sizeof(*builder.cut_index));
		builder.stacks = stacks__new();
	}
	heap__for_each(process->heap, count_block, &builder);
	nr_sites = select_sites(&builder);
	resolve_sites(&builder, nr_sites, progress, data);
	fill_entries(&builder, snapshot, nr_sites);
	free(builder.sites);
	hmap__clear(&builder.by_place);
	free(builder.cut_index);
	if (builder.stacks != model->stacks)
		stacks__free(builder.stacks);
	return &snapshot->leaks;
}

void leaks__free(struct leaks *leaks)
{
	struct snapshot *snapshot = (struct snapshot *)leaks;

	if (!snapshot)
		return;
	free(snapshot->entries);
	free(snapshot->frames);
	free(snapshot);
}
