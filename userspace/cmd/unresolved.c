// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/unresolved.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/output.h"
#include "base/text.h"
#include "base/util.h"
#include "report/model.h"

/* A stranger's recording can have thousands of processes with millions of addresses each. */
#define MAX_LINES (4u << 20)
#define MAX_LOOKS (256u << 20)

struct line {
	const char *object;
	uint64_t address;
};

struct place {
	struct location location;
	uint64_t last;	/* the address it was listed with last */
	bool is_listed; /* at all */
};

struct list {
	const struct model *model;
	struct place *places;
	size_t nr_places, places_capacity;
	struct line *lines;
	size_t nr, capacity;
	uint64_t nr_looks;
};

static void add_place(const struct location *location, enum sym_trouble trouble, void *data)
{
	struct list *list = data;

	list->places = array__grow(list->places, list->nr_places, &list->places_capacity,
				   sizeof(*list->places));
	list->places[list->nr_places++] = (struct place){ .location = *location };
}

/* Processes of one program often have it at one address. */
static void add_line(struct list *list, struct place *place, uint64_t address)
{
	if ((place->is_listed && place->last == address) || list->nr == MAX_LINES)
		return;
	list->lines = array__grow(list->lines, list->nr, &list->capacity, sizeof(*list->lines));
	list->lines[list->nr++] = (struct line){
		.object = modmap__module(list->model->modmap, place->location.module)->path,
		.address = address,
	};
	place->is_listed = true;
	place->last = address;
}

/* mapped: scratch memory, a byte a module. */
static void list_process(struct list *list, const struct process *process, uint8_t *mapped)
{
	const struct model *model = list->model;
	uint32_t nr_modules = modmap__nr_modules(model->modmap);
	size_t nr = process->space ? space__nr_mappings(process->space) : 0;

	memset(mapped, 0, nr_modules);
	for (size_t i = 0; i < nr; i++)
		mapped[space__module(process->space, i)] = 1;
	for (size_t i = 0; nr && i < list->nr_places; i++) {
		struct place *place = &list->places[i];

		if (mapped[place->location.module])
			add_line(list, place,
				 space__address(process->space, &place->location, model->end_ns));
	}
	list->nr_looks += list->nr_places + nr + nr_modules;
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order = strcmp(x->object, y->object);

	if (order)
		return order;
	return x->address == y->address ? 0 : x->address < y->address ? -1 : 1;
}

static void list_model(struct list *list, const struct model *model)
{
	uint8_t *mapped = xcalloc(modmap__nr_modules(model->modmap), 1);

	list->model = model;
	list->nr_places = 0;
	sym__for_each_unresolved(model->sym, model->modmap, add_place, list);
	for (size_t i = 0; i < model->nr_processes && list->nr_looks < MAX_LOOKS; i++)
		list_process(list, model->processes[i], mapped);
	/* Of a process of which nothing is known any more. */
	for (size_t i = 0; i < list->nr_places; i++)
		if (!list->places[i].is_listed)
			add_line(list, &list->places[i], list->places[i].location.vaddr);
	free(mapped);
}

static void sort(struct list *list)
{
	size_t nr = 0;

	if (list->nr == MAX_LINES || list->nr_looks >= MAX_LOOKS)
		log_warn("Too many addresses have no name: not all of them are listed.");
	if (list->nr)
		qsort(list->lines, list->nr, sizeof(*list->lines), compare_lines);
	for (size_t i = 0; i < list->nr; i++)
		if (!i || compare_lines(&list->lines[i], &list->lines[nr - 1]))
			list->lines[nr++] = list->lines[i];
	list->nr = nr;
}

int unresolved__write(const struct model *const *models, size_t nr_models, const char *path)
{
	struct list list = { 0 };
	struct output *output = output__open(path);
	FILE *out;
	int err;

	if (!output)
		return -errno;
	out = output__stream(output);
	for (size_t i = 0; i < nr_models; i++)
		list_model(&list, models[i]);
	sort(&list);
	for (size_t i = 0; i < list.nr; i++) {
		text__print(out, list.lines[i].object);
		fprintf(out, " 0x%" PRIx64 "\n", list.lines[i].address);
	}
	err = output__commit(output);
	free(list.lines);
	free(list.places);
	return err;
}
