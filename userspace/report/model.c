// SPDX-License-Identifier: BSD-2-Clause
#include "report/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "wire.h"

/* Bounds on what a stream can make of us: processes, those that live at a time, mappings of one, and
 * blocks that forks copied. */
#define MAX_PROCESSES	  (1u << 20)
#define MAX_LIVING	  (1u << 15)
#define MAX_MAPPINGS	  (1u << 20)
#define MAX_BLOCKS_COPIED (1ull << 28)

struct model *model__new(const struct sym_options *options)
{
	struct model *model = xcalloc(1, sizeof(*model));

	model->stacks = stacks__new();
	model->modmap = modmap__new();
	model->sym = sym__new(options);
	return model;
}

void model__free(struct model *model)
{
	if (!model)
		return;
	for (size_t i = 0; i < model->nr_processes; i++)
		process__free(model->processes[i]);
	free(model->processes);
	hmap__clear(&model->by_pid);
	stacks__free(model->stacks);
	modmap__free(model->modmap);
	sym__free(model->sym);
	functions__clear(&model->functions);
	strtab__clear(&model->strings);
	free(model);
}

static struct process *find_process(struct model *model, uint32_t pid)
{
	const uint64_t *index;

	if (model->newest && model->newest->pid == pid && !model->newest->ended)
		return model->newest;
	index = hmap__find(&model->by_pid, pid);
	if (!index)
		return NULL;
	model->newest = model->processes[*index];
	return model->newest;
}

/* NULL: there are too many. */
static struct process *add_process(struct model *model, uint32_t pid, const struct process *parent)
{
	struct process *process;

	if (!pid || model->nr_processes == MAX_PROCESSES || model->by_pid.nr == MAX_LIVING)
		return NULL;
	process = process__new(pid, parent);
	model->processes = array__grow(model->processes, model->nr_processes,
				       &model->processes_capacity, sizeof(*model->processes));
	hmap__set(&model->by_pid, pid, model->nr_processes);
	model->processes[model->nr_processes++] = process;
	return process;
}

/* The process of a record: what the stream has not told the beginning of begins with it. */
static struct process *process_of(struct model *model, const struct wire_head *record)
{
	struct process *process = find_process(model, record->pid);

	return process ? process : add_process(model, record->pid, NULL);
}

static int apply_fork(struct model *model, const struct wire_fork *record)
{
	struct process *parent = find_process(model, record->head.pid), *child;
	const struct process *copied = record->flags & WIRE_FORK_EMPTY ? NULL : parent;

	if (copied)
		model->nr_blocks_copied += heap__totals(copied->heap)->live_blocks;
	if (find_process(model, record->child) || model->nr_blocks_copied > MAX_BLOCKS_COPIED)
		return -EBADMSG;
	child = add_process(model, record->child, copied);
	if (!child)
		return -EBADMSG;
	child->parent = record->head.pid;
	child->launched = parent && parent->launched;
	return 0;
}

/* The bytes behind a record's fixed part. */
#define TAIL(record) ((const char *)((record) + 1))

static int apply_module(struct model *model, const struct wire_module *record)
{
	const uint8_t *build_id = (const uint8_t *)TAIL(record);
	char *path;
	int fd = -1;

	if (record->id != modmap__nr_modules(model->modmap) ||
	    record->build_id_len > MODULE_MAX_BUILD_ID)
		return -EBADMSG;
	path = xstrndup((const char *)build_id + record->build_id_len, record->path_len);
	if (model->module_fd)
		fd = model->module_fd(model->fd_data, record->id);
	if (fd >= 0)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	modmap__add_module(model->modmap, path, build_id, record->build_id_len, record->flags, fd);
	free(path);
	return 0;
}

static int apply_stack(struct model *model, const struct process *process,
		       const struct wire_stack *record)
{
	uint32_t frames[WIRE_MAX_FRAMES], nr = 0;
	bool cut = record->flags & WIRE_STACK_CUT;

	if (record->nr_frames > WIRE_MAX_FRAMES)
		return -EBADMSG;
	for (; nr < record->nr_frames; nr++) {
		frames[nr] = modmap__locate(model->modmap, process->space, record->frames[nr],
					    record->time_ns);
		/* No code is mapped there: what a frame pointer walk read was no return address. */
		if (modmap__location(model->modmap, frames[nr])->module == MODMAP_NO_MODULE && nr) {
			cut = true;
			break;
		}
	}
	stacks__add(model->stacks, record->id, frames, nr, cut);
	return 0;
}

static int apply_symbol(struct model *model, const struct wire_symbol *record)
{
	struct sym_frame frames[64];

	if (!record->nr_frames || record->nr_frames > ARRAY_SIZE(frames))
		return -EBADMSG;
	for (uint32_t i = 0; i < record->nr_frames; i++)
		frames[i] = (struct sym_frame){
			.function = strtab__text(&model->strings, record->frames[i].function),
			.file = strtab__text(&model->strings, record->frames[i].file),
			.line = record->frames[i].line,
		};
	sym__bake(model->sym, record->module, record->vaddr, frames, record->nr_frames);
	return 0;
}

static int apply_string(struct model *model, const struct wire_string *record)
{
	/* Equal texts would share an id and shift all that follow: a writer never sends one twice.
	 */
	if (record->id != model->strings.nr + 1 ||
	    strtab__add(&model->strings, TAIL(record), record->len) != record->id)
		return -EBADMSG;
	return 0;
}

static int apply_mapping(struct model *model, struct process *process,
			 const struct wire_mapping *record)
{
	/* Neither an unknown module nor a process that maps without end is a reason to stop. */
	if (record->module < modmap__nr_modules(model->modmap) &&
	    space__count(process->space) < MAX_MAPPINGS)
		space__add(process->space, record->time_ns, record->start, record->end,
			   record->vaddr, record->module);
	return 0;
}

static int apply_function(struct model *model, const struct wire_function *record)
{
	const char *family = TAIL(record);

	functions__announce(&model->functions, record->func, family, record->family_len,
			    family + record->family_len, record->symbol_len);
	return 0;
}

static int apply_end(struct model *model, const struct wire_end *record)
{
	struct process *process = find_process(model, record->head.pid);

	if (!process)
		return 0;
	process__end(process, record->time_ns, record->reason, record->status);
	hmap__delete(&model->by_pid, record->head.pid);
	return 0;
}

/* Records of one process. */
static int apply_to_process(struct model *model, const struct wire_head *record)
{
	struct process *process = process_of(model, record);

	if (!process)
		return -EBADMSG;
	switch (record->type) {
	case WIRE_STACK:
		return apply_stack(model, process, (const struct wire_stack *)record);
	case WIRE_MAPPING:
		return apply_mapping(model, process, (const struct wire_mapping *)record);
	case WIRE_TARGET:
		process__set_target(process, (const struct wire_target *)record);
		break;
	case WIRE_EXEC:
		process__exec(process);
		break;
	case WIRE_MEMORY:
		process__set_memory(process, (const struct wire_memory *)record);
		break;
	}
	return 0;
}

static int apply_rare(struct model *model, const struct wire_head *record)
{
	switch (record->type) {
	case WIRE_MODULE:
		return apply_module(model, (const struct wire_module *)record);
	case WIRE_STRING:
		return apply_string(model, (const struct wire_string *)record);
	case WIRE_SYMBOL:
		return apply_symbol(model, (const struct wire_symbol *)record);
	case WIRE_FUNCTION:
		return apply_function(model, (const struct wire_function *)record);
	case WIRE_FORK:
		return apply_fork(model, (const struct wire_fork *)record);
	case WIRE_END:
		return apply_end(model, (const struct wire_end *)record);
	case WIRE_LOST:
		model->nr_lost += ((const struct wire_lost *)record)->events;
		return 0;
	case WIRE_STACK:
	case WIRE_MAPPING:
	case WIRE_TARGET:
	case WIRE_EXEC:
	case WIRE_MEMORY:
		return apply_to_process(model, record);
	}
	return 0;
}

int model__apply(struct model *model, const struct wire_head *record)
{
	struct process *process;

	if (record->type != WIRE_ALLOC && record->type != WIRE_FREE)
		return apply_rare(model, record);
	process = process_of(model, record);
	if (!process)
		return -EBADMSG;
	model->nr_events++;
	process->nr_events++;
	if (record->type == WIRE_ALLOC)
		heap__alloc(process->heap, (const struct wire_alloc *)record);
	else
		heap__release(process->heap, (const struct wire_free *)record);
	process->end_ns = heap__totals(process->heap)->last_ns;
	return 0;
}

const struct process *model__first(const struct model *model)
{
	return model->nr_processes ? model->processes[0] : NULL;
}

uint64_t model__live_bytes(const struct model *model)
{
	uint64_t bytes = 0, pid, index;
	size_t at = 0;

	while (hmap__next(&model->by_pid, &at, &pid, &index))
		bytes += heap__totals(model->processes[index]->heap)->live_bytes;
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
