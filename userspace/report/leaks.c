// SPDX-License-Identifier: BSD-2-Clause
#include "report/leaks.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"

/* A site while it is counted: one stack, cut to the wanted depth. */
struct site {
	uint32_t stack; /* index */
	uint64_t bytes, blocks;
	uint64_t oldest_at_ns, newest_at_ns; /* when they were allocated */
};

struct builder {
	struct model *model;
	const struct leaks_filter *filter;
	struct stacks *stacks; /* the model's, or their cut copies */
	uint32_t *cut_index;   /* by stack index: the index in `stacks` */
	struct site *sites;    /* by stack index in `stacks` */
	struct leaks *leaks;
};

/* Everything of a snapshot is one allocation each, owned here. */
struct snapshot {
	struct leaks leaks;
	struct leak *entries;
	struct leak_frame *frames;
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

static void count_block(const struct heap_block *block, void *data)
{
	struct builder *builder = data;
	uint64_t age_ns = builder->model->end_ns - min(block->time_ns, builder->model->end_ns);
	uint32_t index = stacks__index(builder->model->stacks, block->stack);
	struct site *site;

	if (age_ns < builder->filter->older_ns)
		return;
	site = &builder->sites[builder->cut_index ? builder->cut_index[index] : index];
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
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

/* Sorts the sites that pass the filters to the front; returns their number. */
static size_t select_sites(struct builder *builder, uint32_t nr_stacks)
{
	const struct leaks_filter *filter = builder->filter;
	size_t nr = 0, nr_seen = 0;

	for (uint32_t i = 0; i < nr_stacks; i++) {
		struct site site = builder->sites[i];

		site.stack = i;
		nr_seen += site.blocks > 0;
		if (site.blocks && site.bytes >= filter->min_bytes &&
		    site.blocks >= filter->min_count)
			builder->sites[nr++] = site;
	}
	qsort(builder->sites, nr, sizeof(*builder->sites), compare_sites);
	if (filter->top && nr > filter->top)
		nr = filter->top;
	builder->leaks->nr_hidden = nr_seen - nr;
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
	uint64_t end_ns = builder->model->end_ns;
	struct leak_frame *next;

	snapshot->entries = xcalloc(nr_sites, sizeof(*snapshot->entries));
	next = xcalloc(count_frames(builder, nr_sites), sizeof(*snapshot->frames));
	snapshot->frames = next;
	for (size_t i = 0; i < nr_sites; i++) {
		const struct site *site = &builder->sites[i];
		struct stack stack = stacks__get(builder->stacks, site->stack);
		struct leak *entry = &snapshot->entries[i];

		*entry = (struct leak){ .bytes = site->bytes,
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

struct leaks *leaks__build(struct model *model, const struct leaks_filter *filter,
			   void (*progress)(uint32_t done, uint32_t modules, void *data),
			   void *data)
{
	struct snapshot *snapshot = xcalloc(1, sizeof(*snapshot));
	struct builder builder = {
		.model = model, .filter = filter, .stacks = model->stacks, .leaks = &snapshot->leaks
	};
	uint32_t nr_stacks;
	size_t nr_sites;

	snapshot->leaks.model = model;
	snapshot->leaks.totals = *heap__totals(model->heap);
	if (filter->depth)
		cut_stacks(&builder);
	nr_stacks = stacks__count(builder.stacks);
	builder.sites = xcalloc(nr_stacks, sizeof(*builder.sites));
	heap__for_each(model->heap, count_block, &builder);
	nr_sites = select_sites(&builder, nr_stacks);
	resolve_sites(&builder, nr_sites, progress, data);
	fill_entries(&builder, snapshot, nr_sites);
	free(builder.sites);
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
