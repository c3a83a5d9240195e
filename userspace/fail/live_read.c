// SPDX-License-Identifier: BSD-2-Clause
/* Snapshots of a run's processes, added up. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc_api.h"
#include "base/util.h"
#include "fail/live.h"
#include "report/model.h"
#include "trace/reader.h"

/* Snapshots of one process at most. */
#define MAX_NUMBER 10000
/* A hostile one has no more records than that looked at. */
#define MAX_RECORDS 10000000u

/* One process that is being added. */
struct adder {
	struct fail_live *live;
	const struct fail_live *usual;
	const struct model *model;
	struct hmap calls; /* key of a call -> blocks of this process */
};

/* The last snapshot of a process; NULL: there is none. For the caller to free. */
static char *last_of(const char *folder, pid_t pid)
{
	char *path = xasprintf("%s/live.%d", folder, pid), *next;

	if (access(path, R_OK)) {
		free(path);
		return NULL;
	}
	for (unsigned number = 1; number <= MAX_NUMBER; number++) {
		next = xasprintf("%s/live.%d.%u", folder, pid, number);
		if (access(next, R_OK)) {
			free(next);
			break;
		}
		free(path);
		path = next;
	}
	return path;
}

/* The same in every run. Any of the texts may be NULL or empty. */
static uint64_t key_of(const char *build_id, const char *path, uint64_t offset, uint64_t before)
{
	const char *module = build_id && *build_id ? build_id : path;
	uint64_t words[3] = { before, module ? hash__bytes(module, strlen(module)) : 0, offset };

	return hash__bytes(words, sizeof(words));
}

uint64_t fail_live__call_key(const struct fail_frame *frame)
{
	return key_of(frame->build_id, frame->module, frame->offset, 0);
}

/* One frame of a model's. */
struct place {
	char build_id[2 * MODULE_MAX_BUILD_ID + 1];
	const char *path; /* NULL: of no module */
	uint64_t offset;
};

static struct place place_of(const struct modmap *map, uint32_t index)
{
	const struct location *location = modmap__location(map, index);
	const struct module *module = modmap__module(map, location->module);
	struct place place = { .path = module ? module->path : NULL, .offset = location->vaddr };

	for (uint32_t i = 0; module && i < module->build_id_len; i++)
		snprintf(place.build_id + 2 * i, 3, "%02x", module->build_id[i]);
	return place;
}

static uint64_t add_to_key(uint64_t key, const struct modmap *map, uint32_t index)
{
	struct place place = place_of(map, index);

	return key_of(place.build_id, place.path, place.offset, key);
}

static uint64_t key_of_all(const struct modmap *map, const struct stack *stack, uint64_t key)
{
	for (uint32_t i = 0; i < stack->nr_frames; i++)
		key = add_to_key(key, map, stack->frames[i]);
	return key;
}

static void add_frame(struct fail_stack *stack, const struct modmap *map, uint32_t index)
{
	struct place place = place_of(map, index);

	fail_stack__add(stack, place.path, *place.build_id ? place.build_id : NULL, place.offset);
}

/* Of functions that give a block that there is another size. */
enum {
#define SHAPE(name, size, count, ptr, out, result) RESIZES_##name = (size) && (ptr),
	ALLOC_SHAPES(SHAPE)
#undef SHAPE
};

static bool resizes(uint16_t func)
{
	static const struct {
		uint16_t number;
		bool resizes;
	} functions[] = {
#define ROW(number, family, symbol, shape) { number, RESIZES_##shape },
		ALLOC_API(ROW)
#undef ROW
	};

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		if (functions[i].number == func)
			return functions[i].resizes;
	return false;
}

static bool is_more(const struct fail_live *usual, const struct fail_live_site *site)
{
	const uint64_t *index = usual ? hmap__find(&usual->by_stack, site->stack_key) : NULL;

	return usual && (!index || site->blocks > usual->sites[*index].blocks);
}

/* What it keeps of a library is not the program's to free, and comes with the library. */
static bool is_of_loader(const struct model *model, const struct stack *stack)
{
	static const char *const names[] = { "ld-linux", "ld.so", "ld64.so" };
	const struct module *module;

	for (uint32_t i = 0; i < stack->nr_frames; i++) {
		module = modmap__module(model->modmap,
					modmap__location(model->modmap, stack->frames[i])->module);
		for (size_t j = 0; module && j < ARRAY_SIZE(names); j++)
			if (!strncmp(path__base(module->path), names[j], strlen(names[j])))
				return true;
	}
	return false;
}

/* Of one stack there may be several sites, each of another function: the key tells them apart. */
static void add_site(struct adder *adder, const struct site *from)
{
	const struct modmap *map = adder->model->modmap;
	struct stack stack = stacks__get(adder->model->stacks, from->stack);
	struct fail_live_site site = { .blocks = from->live.blocks, .bytes = from->live.bytes };
	const uint64_t *blocks;

	if (!stack.nr_frames || is_of_loader(adder->model, &stack))
		return;
	site.call_key = add_to_key(0, map, stack.frames[0]);
	site.way_key = key_of_all(map, &stack, 0);
	site.stack_key = key_of_all(map, &stack, from->func);
	if (is_more(adder->usual, &site))
		for (uint32_t i = 0; i < stack.nr_frames; i++)
			add_frame(&site.stack, map, stack.frames[i]);
	blocks = hmap__find(&adder->calls, site.call_key);
	hmap__set(&adder->calls, site.call_key, site.blocks + (blocks ? *blocks : 0));
	if (resizes(from->func))
		hmap__set(&adder->live->resizing, site.call_key, 1);
	fail_live__add(adder->live, &site);
}

static void add_ways(struct fail_live *live, const struct model *model)
{
	struct stack stack;

	for (uint32_t i = 1; i < stacks__count(model->stacks); i++) {
		stack = stacks__get(model->stacks, i);
		hmap__set(&live->ways, key_of_all(model->modmap, &stack, 0), 1);
	}
}

static void add_process(struct fail_live *live, const struct fail_live *usual,
			const struct model *model, const struct process *process)
{
	struct adder adder = { .live = live, .usual = usual, .model = model };
	const uint64_t *before;
	uint64_t key, blocks;
	size_t at = 0;

	if (!usual)
		add_ways(live, model);
	for (size_t i = 0; i < process->end_sites.nr; i++)
		add_site(&adder, &process->end_sites.all[i]);
	while (hmap__next(&adder.calls, &at, &key, &blocks)) {
		before = hmap__find(&live->by_call, key);
		if (!before || *before < blocks)
			hmap__set(&live->by_call, key, blocks);
	}
	hmap__clear(&adder.calls);
	live->nr_processes++;
}

/* 0, or -errno: it is no whole snapshot. */
static int read_records(struct model *model, int fd)
{
	const struct wire_head *record;
	struct trace_reader *reader;
	const char *reason;
	uint32_t nr = 0;
	int got;

	reader = trace_reader__new(fd, &reason);
	if (!reader)
		return -errno;
	got = trace_reader__next(reader, &record);
	while (got > 0 && nr++ < MAX_RECORDS) {
		got = model__apply(model, record);
		got = got ? got : trace_reader__next(reader, &record);
	}
	trace_reader__free(reader);
	return got > 0 ? -E2BIG : got;
}

static void read_one(struct fail_live *live, const char *path, pid_t pid,
		     const struct fail_live *usual)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), err = -EBADF;
	struct sym_options options = { 0 };
	struct model *model = model__new(&options);
	struct process *process = NULL;

	if (fd >= 0)
		err = read_records(model, fd);
	if (!err)
		process = model__process(model, (uint32_t)pid);
	if (process && process->ended && process->is_snapshot && !model->nr_lost)
		add_process(live, usual, model, process);
	else
		live->incomplete = true;
	model__free(model);
	if (fd >= 0)
		close(fd);
}

void fail_live__read(struct fail_live *live, const char *folder, const pid_t *pids, size_t nr,
		     const struct fail_live *usual)
{
	char *path;

	for (size_t i = 0; i < nr; i++) {
		path = last_of(folder, pids[i]);
		if (path)
			read_one(live, path, pids[i], usual);
		free(path);
	}
}
