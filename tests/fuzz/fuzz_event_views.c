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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct view *const all[] = { &view_timeline, &view_sizes, &view_threads,
						  &view_ptr, &view_misuse };
	const struct sym_options sym_options = { .sysroot = "/nowhere" };
	struct view_options options = { .address = 0x10, .report.top = size % 3 };
	const uint8_t *end = data + size;
	void *states[ARRAY_SIZE(all)];
	struct model *model;
	uint64_t words[8];
	static FILE *out;

	if (!out)
		out = fopen("/dev/null", "w");
	model = model__new(&sym_options);
	model->filter.tid = size % 5 ? 0 : 1;
	model->filter.min_bytes = size % 7 ? 0 : 8;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		states[i] = all[i]->begin(model, &options);
	while (next_record(&data, end, words))
		if (record__valid((struct wire_head *)words, sizeof(words)) &&
		    model__apply(model, (struct wire_head *)words))
			break;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		all[i]->write(states[i], out);
		all[i]->write_json(states[i], out);
		all[i]->free(states[i]);
	}
	model__free(model);
	return 0;
}
