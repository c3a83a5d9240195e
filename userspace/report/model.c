// SPDX-License-Identifier: BSD-2-Clause
#include "report/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "wire.h"

struct model *model__new(const struct sym_options *options)
{
	struct model *model = xcalloc(1, sizeof(*model));

	model->heap = heap__new();
	model->stacks = stacks__new();
	model->modmap = modmap__new();
	model->sym = sym__new(options);
	return model;
}

void model__free(struct model *model)
{
	if (!model)
		return;
	heap__free(model->heap);
	stacks__free(model->stacks);
	modmap__free(model->modmap);
	sym__free(model->sym);
	strtab__clear(&model->strings);
	free(model->exe);
	free(model->cmdline);
	free(model);
}

/* The bytes behind a record's fixed part. */
#define TAIL(record) ((const char *)((record) + 1))

static int apply_target(struct model *model, const struct wire_target *record)
{
	const char *exe = TAIL(record), *cmdline = exe + record->exe_len;
	uint32_t len = record->cmdline_len;

	free(model->exe);
	free(model->cmdline);
	model->pid = record->head.pid;
	model->exe = xstrndup(exe, record->exe_len);
	while (len && !cmdline[len - 1])
		len--;
	model->cmdline = xmalloc(len + 1);
	for (uint32_t i = 0; i < len; i++)
		model->cmdline[i] = cmdline[i] ? cmdline[i] : ' ';
	model->cmdline[len] = '\0';
	model->started_ns = record->started_ns;
	model->launched = record->flags & WIRE_TARGET_LAUNCHED;
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
	modmap__add_module(model->modmap, path, build_id, record->build_id_len, fd);
	free(path);
	return 0;
}

static int apply_stack(struct model *model, const struct wire_stack *record)
{
	uint32_t frames[WIRE_MAX_FRAMES], nr = 0;
	bool cut = record->flags & WIRE_STACK_CUT;

	if (record->nr_frames > WIRE_MAX_FRAMES)
		return -EBADMSG;
	for (; nr < record->nr_frames; nr++) {
		frames[nr] = modmap__locate(model->modmap, record->frames[nr], record->time_ns);
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

static void apply_exec(struct model *model)
{
	heap__reset(model->heap);
}

static void apply_end(struct model *model, const struct wire_end *record)
{
	model->ended = true;
	model->end_reason = record->reason;
	model->end_ns = record->time_ns;
}

static void apply_mapping(struct model *model, const struct wire_mapping *record)
{
	modmap__add_mapping(model->modmap, record->time_ns, record->start, record->end,
			    record->vaddr, record->module);
}

static int apply_rare(struct model *model, const struct wire_head *record)
{
	switch (record->type) {
	case WIRE_STACK:
		return apply_stack(model, (const struct wire_stack *)record);
	case WIRE_TARGET:
		return apply_target(model, (const struct wire_target *)record);
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
		apply_exec(model);
		return 0;
	case WIRE_END:
		apply_end(model, (const struct wire_end *)record);
		return 0;
	}
	return 0;
}

int model__apply(struct model *model, const struct wire_head *record)
{
	if (record->type == WIRE_ALLOC) {
		const struct wire_alloc *alloc = (const struct wire_alloc *)record;

		model->nr_events++;
		model->end_ns = alloc->time_ns;
		heap__alloc(model->heap, alloc);
		return 0;
	}
	if (record->type == WIRE_FREE) {
		const struct wire_free *release = (const struct wire_free *)record;

		model->nr_events++;
		model->end_ns = release->time_ns;
		heap__release(model->heap, release);
		return 0;
	}
	return apply_rare(model, record);
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
