// SPDX-License-Identifier: BSD-2-Clause
#include "report/model.h"

#include <stdlib.h>

#include "base/util.h"

struct model *model__new(const struct sym_options *options)
{
	struct model *model = xcalloc(1, sizeof(*model));

	model->stacks = stacks__new();
	model->modmap = modmap__new();
	model->functions = functions__new();
	model->sym = sym__new(options);
	model->until_ns = UINT64_MAX;
	model->nobody = process__new(0, model->modmap);
	return model;
}

void model__free(struct model *model)
{
	if (!model)
		return;
	for (size_t i = 0; i < model->nr_processes; i++)
		process__free(model->processes[i]);
	process__free(model->nobody);
	free(model->processes);
	hmap__clear(&model->by_pid);
	stacks__free(model->stacks);
	modmap__free(model->modmap);
	functions__free(model->functions);
	sym__free(model->sym);
	strtab__clear(&model->strings);
	strtab__clear(&model->names);
	free(model);
}

void model__observe(struct model *model, struct observer *observer)
{
	struct observer **last = &model->observers;

	while (*last)
		last = &(*last)->next;
	*last = observer;
}

struct process *model__process(struct model *model, uint32_t pid)
{
	const uint64_t *index;

	if (model->last && model->last->pid == pid)
		return model->last;
	index = hmap__find(&model->by_pid, pid);
	if (!index)
		return NULL;
	model->last = model->processes[*index];
	return model->last;
}

void model__keep_only(struct model *model)
{
	size_t nr = 0;

	if (!model->only_pid)
		return;
	for (size_t i = 0; i < model->nr_processes; i++) {
		if (model->processes[i]->pid == model->only_pid)
			model->processes[nr++] = model->processes[i];
		else
			process__free(model->processes[i]);
	}
	model->nr_processes = nr;
	model->last = NULL;
	hmap__clear(&model->by_pid);
	for (size_t i = 0; i < nr; i++)
		hmap__set(&model->by_pid, model->only_pid, i);
}

const struct process *model__first(const struct model *model)
{
	return model->nr_processes ? model->processes[0] : model->nobody;
}

uint64_t model__live_bytes(const struct model *model)
{
	uint64_t bytes = 0;

	/* The newest are the ones that live. */
	for (size_t i = model->nr_processes, live = model->nr_live; i-- > 0 && live;) {
		if (model->processes[i]->ended)
			continue;
		bytes += process__totals(model->processes[i])->live_bytes;
		live--;
	}
	return bytes;
}

void model__resolve(struct model *model, const uint32_t *locations, uint32_t nr,
		    void (*progress)(uint32_t done, uint32_t modules, void *data), void *data)
{
	if (model->perf_map_fd)
		sym__use_perf_map(model->sym, model->perf_map_fd(model->fd_data));
	sym__resolve(model->sym, model->modmap, locations, nr, progress, data);
}

void model__resolve_stacks(struct model *model, const struct stacks *stacks,
			   const uint32_t *indexes, size_t nr,
			   void (*progress)(uint32_t done, uint32_t modules, void *data),
			   void *data)
{
	uint8_t *wanted = xcalloc(modmap__nr_locations(model->modmap), 1);
	uint32_t *locations = NULL, nr_locations = 0;
	size_t capacity = 0;

	for (size_t i = 0; i < nr; i++) {
		struct stack stack = stacks__get(stacks, indexes[i]);

		for (uint32_t k = 0; k < stack.nr_frames; k++) {
			uint32_t location = stack.frames[k];

			if (wanted[location])
				continue;
			wanted[location] = 1;
			locations =
				array__grow(locations, nr_locations, &capacity, sizeof(*locations));
			locations[nr_locations++] = location;
		}
	}
	model__resolve(model, locations, nr_locations, progress, data);
	free(locations);
	free(wanted);
}
