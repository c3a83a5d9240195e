// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/fail_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "cmd/opts.h"
#include "probe/preload_lib.h"
#include "symbol/demangle.h"

struct fail_names {
	struct model *model;
	struct hmap modules; /* hash of path and build-id -> number of the module */
};

static size_t read_hex(const char *text, uint8_t *bytes, size_t max)
{
	size_t len = 0;

	for (; text && text[0] && text[1] && len < max; text += 2) {
		char digits[3] = { text[0], text[1], '\0' };

		bytes[len++] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return len;
}

static uint32_t module_of(struct fail_names *names, const struct fail_frame *frame)
{
	uint8_t build_id[MODULE_MAX_BUILD_ID];
	size_t len = read_hex(frame->build_id, build_id, sizeof(build_id));
	uint64_t key, *known;
	uint32_t module;

	if (!frame->module)
		return MODMAP_NO_MODULE;
	key = hash__bytes(frame->module, strlen(frame->module)) ^
	      hash__u64(hash__bytes(build_id, len));
	known = hmap__find(&names->modules, key);
	if (known)
		return (uint32_t)*known;
	module = modmap__add_module(names->model->modmap, frame->module, build_id, (uint32_t)len, 0,
				    -1);
	hmap__set(&names->modules, key, module);
	return module;
}

static bool is_of_library(const struct fail_frame *frame)
{
	return frame->module && !strcmp(path__base(frame->module), PRELOAD_LIB_NAME);
}

static void add_stack(struct fail_names *names, uint32_t id, const struct fail_stack *stack)
{
	uint32_t frames[FAIL_MAX_FRAMES], nr = 0;

	for (size_t i = 0; i < stack->nr; i++) {
		const struct fail_frame *frame = &stack->frames[i];

		/* What crashes in it is not to be hidden. */
		if (i && is_of_library(frame) && !is_of_library(&stack->frames[0]))
			continue;
		frames[nr++] = modmap__intern(names->model->modmap, module_of(names, frame),
					      frame->offset);
	}
	stacks__add(names->model->stacks, id, frames, nr, false);
}

/* Stacks of a path: of the call, of the crash, of what was left behind. Their ids go on from path
 * to path, from 1. */
enum { OF_CALL, OF_CRASH, OF_LEAKS, NR_STACKS = OF_LEAKS + FAIL_MAX_LEAKS };

static uint32_t id_of(size_t number, size_t which)
{
	return (uint32_t)(NR_STACKS * number + which + 1);
}

static void add_stacks(struct fail_names *names, size_t number, const struct fail_path *path)
{
	add_stack(names, id_of(number, OF_CALL), &path->stack);
	add_stack(names, id_of(number, OF_CRASH), &path->crash_stack);
	for (size_t i = 0; i < path->leaks.nr; i++)
		add_stack(names, id_of(number, OF_LEAKS + i), &path->leaks.worst[i].stack);
}

struct fail_names *fail_names__new(const struct options *options, struct fail_path *const *paths,
				   size_t nr)
{
	struct sym_options sym_options = { .debug_dir = options->debug_dir,
					   .debuginfod = options->debuginfod };
	struct fail_names *names = xcalloc(1, sizeof(*names));
	uint32_t *indexes = xcalloc(NR_STACKS * nr + 1, sizeof(*indexes));

	names->model = model__new(&sym_options);
	for (size_t i = 0; i < nr; i++)
		add_stacks(names, i, paths[i]);
	for (size_t i = 0; i < NR_STACKS * nr; i++)
		indexes[i] = stacks__index(names->model->stacks, (uint32_t)i + 1);
	model__resolve_stacks(names->model, names->model->stacks, indexes, NR_STACKS * nr, NULL,
			      NULL);
	free(indexes);
	return names;
}

void fail_names__free(struct fail_names *names)
{
	if (!names)
		return;
	model__free(names->model);
	hmap__clear(&names->modules);
	free(names);
}

char *fail_names__function(const struct fail_path *path)
{
	return path->function ? demangle__name(path->function) : NULL;
}

static struct frames frames_of(const struct fail_names *names, size_t number, size_t which)
{
	return frames__of(names->model, NULL,
			  stacks__index(names->model->stacks, id_of(number, which)), UINT64_MAX);
}

struct frames fail_names__stack(const struct fail_names *names, size_t number)
{
	return frames_of(names, number, OF_CALL);
}

struct frames fail_names__crash_stack(const struct fail_names *names, size_t number)
{
	return frames_of(names, number, OF_CRASH);
}

struct frames fail_names__leak(const struct fail_names *names, size_t number, size_t leak)
{
	return frames_of(names, number, OF_LEAKS + leak);
}
