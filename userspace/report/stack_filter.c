// SPDX-License-Identifier: BSD-2-Clause
#include "report/stack_filter.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/util.h"

struct stack_filter {
	struct model *model;
	struct selection *selection;
	struct hmap wanted; /* stack index and function -> is it? */
};

static bool judge(struct stack_filter *filter, uint32_t stack, uint16_t func)
{
	const struct function *function = functions__find(filter->model->functions, func);
	struct judgement judgement;
	struct frames frames;

	model__resolve_stacks(filter->model, filter->model->stacks, &stack, 1, NULL, NULL);
	frames = frames__of(filter->model, NULL, stack, UINT64_MAX);
	judgement = selection__judge(filter->selection, frames.frames, frames.nr,
				     function ? function->symbol : NULL);
	frames__clear(&frames);
	return judgement.verdict == WANTED;
}

static bool wants(const struct heap_block *block, void *data)
{
	struct stack_filter *filter = data;
	uint32_t stack = stacks__index(filter->model->stacks, block->stack);
	uint64_t key = (uint64_t)stack << 16 | block->func;
	const uint64_t *known = hmap__find(&filter->wanted, key);
	bool wanted;

	if (known)
		return *known;
	wanted = judge(filter, stack, block->func);
	hmap__set(&filter->wanted, key, wanted);
	return wanted;
}

struct stack_filter *stack_filter__new(struct model *model, struct selection *selection)
{
	struct stack_filter *filter = xcalloc(1, sizeof(*filter));

	filter->model = model;
	filter->selection = selection;
	model->filter.wants = wants;
	model->filter.data = filter;
	return filter;
}

void stack_filter__free(struct stack_filter *filter)
{
	if (!filter)
		return;
	hmap__clear(&filter->wanted);
	free(filter);
}
