// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer: records that are valid one by one and make no sense together, into the model and a
 * report. Few pids, addresses and ids, so that they meet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "export/view.h"
#include "report/report.h"
#include "trace/record.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Types by the low bits of a byte: mostly those that make and end processes. */
static const struct {
	uint16_t type, size;
} kinds[16] = {
	{ WIRE_ALLOC, 48 },  { WIRE_ALLOC, 48 },    { WIRE_FREE, 32 },	 { WIRE_FORK, 24 },
	{ WIRE_FORK, 24 },   { WIRE_EXEC, 16 },	    { WIRE_END, 24 },	 { WIRE_TARGET, 48 },
	{ WIRE_MODULE, 32 }, { WIRE_MAPPING, 48 },  { WIRE_STACK, 40 },	 { WIRE_MEMORY, 48 },
	{ WIRE_STRING, 24 }, { WIRE_FUNCTION, 24 }, { WIRE_SYMBOL, 40 }, { WIRE_LOST, 24 },
};

/* The next record, its words made of a byte each; false at the end. */
static bool next_record(const uint8_t **data, const uint8_t *end, uint64_t *words)
{
	const uint8_t *at = *data;
	uint16_t type, size;

	if (end - at < 2)
		return false;
	type = kinds[*at & 15].type;
	size = kinds[*at & 15].size;
	*(struct wire_head *)words =
		(struct wire_head){ .type = type, .size = size, .pid = *at >> 4 };
	at++;
	if (end - at < size / 4 - 2)
		return false;
	/* 32 bits of each byte: small numbers, or large ones. */
	for (uint16_t i = 2; i < size / 4; i++, at++)
		((uint32_t *)words)[i] = *at & 0x80 ? *at * 0x01010101u : *at;
	*data = at;
	return true;
}

/* Any view or exporter that writes to where it is told. */
static const struct view *choose(uint8_t number)
{
	number %= nr_views + nr_exporters;
	return number < nr_views ? views[number] : exporters[number - nr_views];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sym_options sym_options = { .sysroot = "/nowhere" };
	/* Costs that --cost names. */
	struct view_options options = { .report = { .cost = size % COST_FREED, .depth = size % 3 },
					.address = 0x1000,
					.age_ns = 1000,
					.interval_ns = size % 2 * 1000 };
	/* What diff compares with: nothing at all. */
	struct model *model = model__new(&sym_options), *other = model__new(&sym_options);
	const uint8_t *end = data + size;
	const struct view *view = choose(size ? *data++ : 0);
	uint64_t words[8];
	static FILE *out;
	void *state;

	options.other = other;
	options.other_profile = profile__new(other);
	if (!out)
		out = fopen("/dev/null", "w");
	state = view->write_files ? NULL : view->begin(model, &options);
	while (state && next_record(&data, end, words)) {
		if (record__valid((struct wire_head *)words, sizeof(words)) &&
		    model__apply(model, (struct wire_head *)words))
			break;
		if (view->tick && view->tick(state, model->end_ns))
			break;
	}
	if (state)
		view->write(state, out);
	if (state && view->write_json)
		view->write_json(state, out);
	if (state)
		view->free(state);
	profile__free(options.other_profile);
	model__free(other);
	model__free(model);
	return 0;
}
