// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer: records that make no sense together, into the views that look on while a stream is
 * read, in text and in JSON. Few pids, addresses and ids, so that they meet. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"
#include "export/view.h"
#include "report/model.h"
#include "trace/record.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Types by the low bits of a byte: mostly events. */
static const struct {
	uint16_t type, size;
} kinds[16] = {
	{ WIRE_ALLOC, 48 }, { WIRE_ALLOC, 48 },	 { WIRE_ALLOC, 48 }, { WIRE_ALLOC, 48 },
	{ WIRE_FREE, 32 },  { WIRE_FREE, 32 },	 { WIRE_FREE, 40 },  { WIRE_FREE, 32 },
	{ WIRE_FORK, 24 },  { WIRE_EXEC, 16 },	 { WIRE_END, 24 },   { WIRE_TARGET, 48 },
	{ WIRE_STACK, 40 }, { WIRE_MODULE, 32 }, { WIRE_LOST, 24 },  { WIRE_FUNCTION, 24 },
};

/* The next record, its 16-bit words made of a byte each; false at the end. */
static bool next_record(const uint8_t **data, const uint8_t *end, uint64_t *words)
{
	const uint8_t *at = *data;
	uint16_t size;

	if (end - at < 2)
		return false;
	size = kinds[*at & 15].size;
	*(struct wire_head *)words = (struct wire_head){ .type = kinds[*at & 15].type,
							 .size = size,
							 .pid = 1 + (*at >> 6) };
	at++;
	if (end - at < size / 4 - 2)
		return false;
	for (uint16_t i = 2; i < size / 4; i++, at++)
		((uint32_t *)words)[i] = *at >= 0xf0  ? *at * 0x01010101u
					 : *at & 0x80 ? (*at & 0x7fu) | (*at & 0xfu) << 16
						      : *at;
	*data = at;
	return true;
}

/* A view of a stream. */
static void show(const struct view *view, const uint8_t *data, const uint8_t *end, FILE *out)
{
	const struct sym_options sym_options = { .sysroot = "/nowhere" };
	struct view_options options = { .address = 0x10, .report.top = *data % 3 };
	struct model *model = model__new(&sym_options);
	uint64_t words[8];
	void *state;

	model->filter.tid = *data & 0x40 ? *data & 7 : 0;
	model->filter.min_bytes = *data & 0x80 ? 8 : 0;
	state = view->begin(model, &options);
	while (next_record(&data, end, words))
		if (record__valid((struct wire_head *)words, sizeof(words)) &&
		    model__apply(model, (struct wire_head *)words))
			break;
	view->write(state, out);
	view->write_json(state, out);
	view->free(state);
	model__free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct view *const all[] = { &view_timeline, &view_sizes, &view_threads,
						  &view_ptr, &view_misuse };
	static FILE *out;

	if (!out)
		out = fopen("/dev/null", "w");
	for (size_t i = 0; size && i < ARRAY_SIZE(all); i++)
		show(all[i], data, data + size, out);
	return 0;
}
