// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer: an ELF file from a stranger, or else one section of it (the first bit says which). */
#include <stdlib.h>

#include "unwind/cfi.h"
#include "unwind/cfi_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct unwind_table *compile_section(const uint8_t *data, size_t size)
{
	const struct cfi_range code = { .start = 0, .end = INT64_MAX };
	struct cfi_section section = { .data = data + 1, .len = size - 1, .vaddr = 0x1000 };
	struct rows_builder *builder = rows_builder__new();
	struct unwind_table *table;
	bool damaged = false;

	section.is_debug_frame = data[0] & 1;
	section.end_unknown = data[0] & 2;
	cfi_parse__section(&section, &code, 1, builder, &damaged);
	table = rows_builder__finish(builder);
	rows_builder__free(builder);
	return table;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_section = size && data[0] != '\177'; /* an ELF file's first byte */
	struct unwind_table *table =
		is_section ? compile_section(data, size) : cfi__compile_image(data, size, NULL);

	for (size_t i = 0; table && i < table->nr_rows; i++)
		if (table->rows[i].rule >= table->nr_rules ||
		    (i && table->rows[i].pc <= table->rows[i - 1].pc))
			abort();
	unwind_table__free(table);
	return 0;
}
