// SPDX-License-Identifier: BSD-2-Clause
#include "export/cells.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define MAX_BYTES (64u << 20)

const struct cell *cells__find(const struct cells *cells, uint64_t key)
{
	const uint64_t *index = hmap__find(&cells->by_key, key);

	return index ? &cells->all[*index] : NULL;
}

const struct cell *cells__add(struct cells *cells, uint64_t key, const char *text, size_t len,
			      uint64_t note)
{
	struct cell *cell;

	if (cells->bytes > MAX_BYTES)
		cells__clear(cells);
	cells->all = array__grow(cells->all, cells->nr, &cells->capacity, sizeof(*cells->all));
	cell = &cells->all[cells->nr];
	*cell = (struct cell){ .text = xmalloc(len), .len = len, .note = note };
	memcpy(cell->text, text, len);
	hmap__set(&cells->by_key, key, cells->nr++);
	cells->bytes += len + sizeof(*cell);
	return cell;
}

void cells__clear(struct cells *cells)
{
	for (size_t i = 0; i < cells->nr; i++)
		free(cells->all[i].text);
	free(cells->all);
	hmap__clear(&cells->by_key);
	*cells = (struct cells){ 0 };
}
