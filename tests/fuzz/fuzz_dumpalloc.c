// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer: a stream of libdumpalloc from a stranger, in pieces, into a model. The first
 * byte says whether a good header comes first, its byte order, how large the pieces are, and how it
 * ends. */
#include <stdlib.h>

#include "base/util.h"
#include "report/model.h"
#include "trace/dumpalloc.h"
#include "trace/record.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* time 100, pid 7, "x" */
static const uint8_t little[] = {
	0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 'x'
};
static const uint8_t big[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 7, 0, 0, 0, 1, 'x' };

/* All records there are; what is no record is a crash. */
static int drain(struct dumpalloc *dump, struct model *model)
{
	const struct wire_head *record;
	int more;

	while ((more = dumpalloc__next(dump, &record)) > 0)
		if (!record__valid(record, record->size) || model__apply(model, record))
			abort();
	if (more < 0 && !dumpalloc__reason(dump))
		abort();
	return more;
}

static void feed(struct dumpalloc *dump, struct model *model, const uint8_t *data, size_t size,
		 size_t piece)
{
	int err = 0;

	for (size_t at = 0; at < size && !err; at += piece) {
		dumpalloc__feed(dump, data + at, min(piece, size - at));
		err = drain(dump, model);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sym_options sym_options = { .sysroot = "/nowhere" };
	struct dumpalloc *dump = dumpalloc__new(1);
	struct model *model = model__new(&sym_options);
	uint8_t how = size ? data[0] : 0;

	if (how & 1)
		feed(dump, model, how & 2 ? big : little, sizeof(big), sizeof(big));
	if (size)
		feed(dump, model, data + 1, size - 1, how & 4 ? 1 + (how >> 4) : size);
	dumpalloc__end(dump, how & 8);
	drain(dump, model);
	dumpalloc__free(dump);
	model__free(model);
	return 0;
}
