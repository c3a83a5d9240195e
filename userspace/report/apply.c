// SPDX-License-Identifier: BSD-2-Clause
/* What each record does to the model: model__apply. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "report/model.h"
#include "report/selfcheck.h"
#include "wire.h"

/*
 * A record of 24 bytes can fork a heap of millions of blocks. What such copies may hold at once,
 * and what copying may cost in all: many times what any real tree of processes needs.
 */
#define MAX_COPIES_HELD	 (64ull << 20)
#define FREE_COPIES	 (1ull << 30)
#define COPIES_PER_EVENT 64

static void end_process(struct model *model, struct process *process, uint64_t time_ns)
{
	uint64_t nr_kept = 0;

	process__end(process, model->stacks, time_ns, &model->filter);
	model->nr_live--;
	/* Addresses of frames, and modules to suspect, come from the mappings. */
	if (!process->end_sites.nr && !selfcheck__run(model, process).suspicious) {
		space__free(process->space);
		process->space = NULL;
	} else {
		nr_kept = process->end_sites.nr + space__nr_mappings(process->space);
	}
	nr_kept = min(nr_kept, process->nr_copied);
	model->nr_copies_held -= process->nr_copied - nr_kept;
	process->nr_copied = nr_kept;
}

/* May one more process begin? One that never ended makes room for another of its pid. */
static bool make_room(struct model *model, uint32_t pid, uint64_t time_ns)
{
	struct process *before = model__process(model, pid);

	if (before && !before->ended)
		end_process(model, before, time_ns);
	if (model->nr_live < MODEL_MAX_LIVE)
		return true;
	if (!model->warned_live)
		log_warn("More than %d processes live at once: the newest are not counted.",
			 MODEL_MAX_LIVE);
	model->warned_live = true;
	return false;
}

static void take_in(struct model *model, struct process *process)
{
	model->processes = array__grow(model->processes, model->nr_processes,
				       &model->processes_capacity, sizeof(struct process *));
	model->processes[model->nr_processes] = process;
	process->number = model->nr_processes;
	hmap__set(&model->by_pid, process->pid, model->nr_processes++);
	model->nr_live++;
	model->last = process;
	if (!model->only_pid || model->only_pid == process->pid)
		process__observe(process, model->observers);
	else if (model->observers) /* its children inherit what it knows of its threads */
		heap__observe(process->heap, observer__happened, process);
}

/* The living process of a record, which begins where the pid was never heard of (renew: or has
 * ended). NULL: what comes late of one that has ended, or there are too many. */
static struct process *living(struct model *model, uint32_t pid, bool renew)
{
	struct process *process = model__process(model, pid);

	if (process && !(process->ended && renew))
		return process->ended ? NULL : process;
	if (!make_room(model, pid, model->end_ns))
		return NULL;
	process = process__new(pid, model->modmap);
	take_in(model, process);
	return process;
}

/* Likewise, of a record that describes a process. None begins behind the moment that is asked for.
 */
static struct process *described(struct model *model, uint32_t pid, uint64_t time_ns)
{
	if (time_ns > model->until_ns && !model__process(model, pid))
		return NULL;
	return living(model, pid, false);
}

/* The bytes behind a record's fixed part. */
#define TAIL(record) ((const char *)((record) + 1))

/* Moments that were named by the beginning get their time. */
static void begin(struct model *model, uint64_t time_ns)
{
	struct block_filter *filter = &model->filter;

	model->start_ns = max(time_ns, 1u);
	if (model->at.given)
		model->until_ns = moment__resolve(&model->at, model->start_ns, &model->anchor);
	if (model->born[0].given)
		filter->born_from_ns =
			moment__resolve(&model->born[0], model->start_ns, &model->anchor);
	if (model->born[1].given)
		filter->born_until_ns =
			moment__resolve(&model->born[1], model->start_ns, &model->anchor);
}

static void apply_target(struct model *model, const struct wire_target *record)
{
	struct process *process;

	if (!model->start_ns)
		begin(model, record->attached_ns);
	process = living(model, record->head.pid, true);
	if (!process)
		return;
	process__set_target(process, record, &model->names);
	model->sample_bytes = max(model->sample_bytes, process->sample_bytes);
	model->is_snapshot |= process->is_snapshot;
}

static bool may_copy(struct model *model, const struct process *parent, uint64_t nr)
{
	if (model->nr_copies_held + nr <= MAX_COPIES_HELD &&
	    model->nr_copies_made + nr <= FREE_COPIES + COPIES_PER_EVENT * model->nr_events)
		return true;
	if (!model->warned_copies)
		log_warn("Process %" PRIu32
			 " forks with more than can be copied: what its children "
			 "have of it is not counted.",
			 parent->pid);
	model->warned_copies = true;
	return false;
}

static struct process *copy_process(struct model *model, const struct process *parent,
				    uint32_t child)
{
	uint64_t nr = heap__nr_blocks(parent->heap) + space__nr_mappings(parent->space);
	struct process *process;

	if (!may_copy(model, parent, nr))
		return NULL;
	process = process__fork(parent, child);
	process->nr_copied = nr;
	model->nr_copies_held += nr;
	model->nr_copies_made += nr;
	return process;
}

static int apply_fork(struct model *model, const struct wire_fork *record)
{
	struct process *parent = model__process(model, record->head.pid), *child = NULL;

	if (!record->child || record->child == record->head.pid)
		return -EBADMSG;
	if (!make_room(model, record->child, record->time_ns))
		return 0;
	if (parent && !parent->ended && !(record->flags & WIRE_FORK_EMPTY))
		child = copy_process(model, parent, record->child);
	if (!child) {
		child = process__new(record->child, model->modmap);
		child->parent = record->head.pid;
		child->whole_after_exec = parent && parent->watched_whole;
	}
	/* Until it is told, and if it is gone before that. */
	child->exe = parent ? parent->exe : NULL;
	child->cmdline = parent ? parent->cmdline : NULL;
	take_in(model, child);
	return 0;
}

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

static int apply_stack(struct model *model, const struct wire_stack *record)
{
	uint32_t frames[WIRE_MAX_FRAMES], nr = 0;
	const struct process *process = described(model, record->head.pid, record->time_ns);
	const struct space *space = process ? process->space : model->nobody->space;
	bool cut = record->flags & WIRE_STACK_CUT;

	if (record->nr_frames > WIRE_MAX_FRAMES)
		return -EBADMSG;
	for (; nr < record->nr_frames; nr++) {
		frames[nr] = space__locate(space, record->frames[nr], record->time_ns);
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

static int apply_function(struct model *model, const struct wire_function *record)
{
	const char *family = TAIL(record), *symbol = family + record->family_len;
	int err = functions__add(model->functions, record->func, family, record->family_len, symbol,
				 record->symbol_len);

	/* Too many: what it allocates is counted all the same. */
	return err == -E2BIG ? 0 : err;
}

static void apply_exec(struct model *model, const struct wire_exec *record)
{
	struct process *process = living(model, record->head.pid, false);

	if (!process)
		return;
	model->nr_copies_held -= process->nr_copied;
	process__exec(process, model->modmap);
}

static void apply_end(struct model *model, const struct wire_end *record)
{
	struct process *process = model__process(model, record->head.pid);

	if (!record->head.pid || !process || process->ended)
		return;
	process->end_reason = record->reason;
	process->end_status = record->status;
	end_process(model, process, record->time_ns);
}

static void apply_memory(struct model *model, const struct wire_memory *record)
{
	struct process *process = living(model, record->head.pid, false);

	if (process)
		process__add_memory(process, record);
}

static void apply_mapping(struct model *model, const struct wire_mapping *record)
{
	struct process *process = described(model, record->head.pid, record->time_ns);

	if (process)
		space__add_mapping(process->space, record->time_ns, record->start, record->end,
				   record->vaddr, record->module);
}

/* Is a moment behind the one that is asked for? */
static bool comes_too_late(struct model *model, uint64_t time_ns)
{
	if (time_ns <= model->until_ns)
		return false;
	model->end_ns = model->until_ns;
	return true;
}

/* Of a record that begins or changes a process at one moment; 0: of others. */
static uint64_t moment_of(const struct wire_head *record)
{
	switch (record->type) {
	case WIRE_TARGET:
		return ((const struct wire_target *)record)->attached_ns;
	case WIRE_LOST:
	case WIRE_EXEC:
	case WIRE_END:
	case WIRE_FORK:
	case WIRE_MEMORY:
		/* Their first field, each. */
		return ((const struct wire_lost *)record)->time_ns;
	}
	return 0;
}

static int apply_rare(struct model *model, const struct wire_head *record)
{
	uint64_t time_ns = moment_of(record);

	if (comes_too_late(model, time_ns))
		return 0;
	/* Observers take what happens then to happen now. */
	model->end_ns = max(model->end_ns, time_ns);
	switch (record->type) {
	case WIRE_STACK:
		return apply_stack(model, (const struct wire_stack *)record);
	case WIRE_TARGET:
		apply_target(model, (const struct wire_target *)record);
		return 0;
	case WIRE_MODULE:
		return apply_module(model, (const struct wire_module *)record);
	case WIRE_STRING:
		return apply_string(model, (const struct wire_string *)record);
	case WIRE_SYMBOL:
		return apply_symbol(model, (const struct wire_symbol *)record);
	case WIRE_MAPPING:
		apply_mapping(model, (const struct wire_mapping *)record);
		return 0;
	case WIRE_LOST:
		model->nr_lost += ((const struct wire_lost *)record)->events;
		return 0;
	case WIRE_EXEC:
		apply_exec(model, (const struct wire_exec *)record);
		return 0;
	case WIRE_END:
		apply_end(model, (const struct wire_end *)record);
		return 0;
	case WIRE_FORK:
		return apply_fork(model, (const struct wire_fork *)record);
	case WIRE_FUNCTION:
		return apply_function(model, (const struct wire_function *)record);
	case WIRE_MEMORY:
		apply_memory(model, (const struct wire_memory *)record);
		return 0;
	}
	return 0;
}

/* The living process of an event, which is counted; NULL: it came late. */
static struct process *count_event(struct model *model, uint32_t pid, uint64_t time_ns)
{
	struct process *process = model->last;

	if (!model->start_ns)
		begin(model, time_ns);
	if (comes_too_late(model, time_ns))
		return NULL;
	if (!process || process->pid != pid || process->ended)
		process = living(model, pid, false);
	model->nr_events++;
	model->end_ns = time_ns;
	return process;
}

int model__apply(struct model *model, const struct wire_head *record)
{
	struct process *process;

	if (record->type == WIRE_ALLOC) {
		const struct wire_alloc *alloc = (const struct wire_alloc *)record;

		process = count_event(model, record->pid, alloc->time_ns);
		if (process)
			heap__alloc(process->heap, alloc);
		return 0;
	}
	if (record->type == WIRE_FREE) {
		const struct wire_free *release = (const struct wire_free *)record;

		process = count_event(model, record->pid, release->time_ns);
		if (process)
			heap__release(process->heap, release);
		return 0;
	}
	return apply_rare(model, record);
}
