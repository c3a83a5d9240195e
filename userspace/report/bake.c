// SPDX-License-Identifier: BSD-2-Clause
#include "report/bake.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "wire.h"

struct baker {
	int (*take)(const struct wire_head *record, void *data);
	void *data;
	struct strtab *strings; /* the stream's: those that are in it, and those sent since */
};

/* Sends text unless it was sent; its id, 0 for NULL. */
static uint32_t send_string(struct baker *baker, const char *text, int *err)
{
	size_t before = baker->strings->nr, len;
	struct wire_string *record;
	uint32_t id;

	if (!text || *err)
		return 0;
	len = strnlen(text, WIRE_MAX_STRING);
	id = strtab__add(baker->strings, text, len);
	if (baker->strings->nr == before)
		return id;
	record = xcalloc(1, sizeof(*record) + WIRE_PAD8(len));
	record->head.type = WIRE_STRING;
	record->head.size = (uint16_t)(sizeof(*record) + WIRE_PAD8(len));
	record->id = id;
	record->len = (uint32_t)len;
	memcpy(record + 1, text, len);
	*err = baker->take(&record->head, baker->data);
	free(record);
	return id;
}

static int send_symbol(struct baker *baker, const struct location *location,
		       const struct sym_frame *frames, uint32_t nr_frames)
{
	struct {
		struct wire_symbol record;
		struct wire_symbol_frame frames[64];
	} symbol = { .record = { .vaddr = location->vaddr, .module = location->module } };
	int err = 0;

	nr_frames = min(nr_frames, (uint32_t)ARRAY_SIZE(symbol.frames));
	for (uint32_t i = 0; i < nr_frames; i++)
		symbol.frames[i] = (struct wire_symbol_frame){
			.function = send_string(baker, frames[i].function, &err),
			.file = send_string(baker, frames[i].file, &err),
			.line = frames[i].line,
		};
	if (err)
		return err;
	symbol.record.head.type = WIRE_SYMBOL;
	symbol.record.head.size =
		(uint16_t)(sizeof(symbol.record) + nr_frames * sizeof(symbol.frames[0]));
	symbol.record.nr_frames = nr_frames;
	return baker->take(&symbol.record.head, baker->data);
}

int bake__names(struct model *model, int (*take)(const struct wire_head *record, void *data),
		void (*progress)(uint32_t done, uint32_t modules, void *data), void *data)
{
	uint32_t nr = modmap__nr_locations(model->modmap);
	uint32_t *all = xcalloc(nr, sizeof(*all));
	struct baker baker = { .take = take, .data = data, .strings = &model->strings };
	int err = 0;

	for (uint32_t i = 0; i < nr; i++)
		all[i] = i;
	model__resolve(model, all, nr, progress, data);
	for (uint32_t i = 0; !err && i < nr; i++) {
		const struct location *location = modmap__location(model->modmap, i);
		const struct sym_frame *frames;
		uint32_t nr_frames = sym__frames(model->sym, location, &frames);

		if (nr_frames && location->module != MODMAP_NO_MODULE &&
		    !sym__is_baked(model->sym, location))
			err = send_symbol(&baker, location, frames, nr_frames);
	}
	free(all);
	return err;
}
