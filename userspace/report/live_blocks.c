// SPDX-License-Identifier: BSD-2-Clause
#include "report/live_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct live_blocks {
	struct observer observer;
	struct model *model;
	struct live_list *ended; /* by process->number */
	size_t nr, capacity;
};

struct collector {
	struct live_list list;
	const struct model *model;
	const struct heap *heap;
};

static void collect(const struct heap_block *block, void *data)
{
	struct collector *to = data;
	struct live_list *list = &to->list;

	if (!block_filter__passes_at(&to->model->filter, to->heap, block, to->model->end_ns))
		return;
	list->all = array__grow(list->all, list->nr, &list->capacity, sizeof(*list->all));
	list->all[list->nr++] =
		(struct live_block){ .addr = block->addr,
				     .bytes = heap_block__bytes(block),
				     .time_ns = block->time_ns,
				     .stack = stacks__index(to->model->stacks, block->stack) };
}

/* Newest first; of one moment, in the order of addresses, so that output is stable. */
static int compare_blocks(const void *left, const void *right)
{
	const struct live_block *a = left, *b = right;

	if (a->time_ns != b->time_ns)
		return a->time_ns > b->time_ns ? -1 : 1;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static struct live_list list_of(const struct model *model, const struct process *process)
{
	struct collector collector = { .model = model, .heap = process->heap };
	struct live_list *list = &collector.list;

	heap__for_each(process->heap, collect, &collector);
	if (!list->nr)
		return *list;
	list->all = xreallocarray(list->all, list->nr, sizeof(*list->all));
	list->capacity = list->nr;
	qsort(list->all, list->nr, sizeof(*list->all), compare_blocks);
	return *list;
}

static void end(struct process *process, void *data)
{
	struct live_blocks *blocks = data;

	while (blocks->nr <= process->number) {
		blocks->ended = array__grow(blocks->ended, blocks->nr, &blocks->capacity,
					    sizeof(*blocks->ended));
		blocks->ended[blocks->nr++] = (struct live_list){ 0 };
	}
	free(blocks->ended[process->number].all);
	blocks->ended[process->number] = list_of(blocks->model, process);
}

struct live_blocks *live_blocks__new(struct model *model)
{
	struct live_blocks *blocks = xcalloc(1, sizeof(*blocks));

	blocks->model = model;
	blocks->observer = (struct observer){ .end = end, .data = blocks };
	model__observe(model, &blocks->observer);
	return blocks;
}

void live_blocks__free(struct live_blocks *blocks)
{
	if (!blocks)
		return;
	for (size_t i = 0; i < blocks->nr; i++)
		free(blocks->ended[i].all);
	free(blocks->ended);
	free(blocks);
}

struct live_list live_blocks__of(const struct live_blocks *blocks, const struct process *process)
{
	struct live_list list = { 0 };
	const struct live_list *kept;

	if (process->heap)
		return list_of(blocks->model, process);
	if (process->number >= blocks->nr || !blocks->ended[process->number].nr)
		return list;
	kept = &blocks->ended[process->number];
	list.all = xcalloc(kept->nr, sizeof(*list.all));
	list.nr = list.capacity = kept->nr;
	memcpy(list.all, kept->all, kept->nr * sizeof(*list.all));
	return list;
}
