// SPDX-License-Identifier: BSD-2-Clause
#include "probe/tracer.h"

#include <string.h>

#include "symbol/elf.h"

static bool note_ptrace(const struct elf_symbol *symbol, void *data)
{
	bool *found = data;

	*found = !strcmp(symbol->name, "ptrace");
	return !*found;
}

bool tracer__is(struct elf_file *elf)
{
	bool found = false;

	if (elf__is_program(elf))
		elf__for_each_symbol(elf, note_ptrace, &found);
	return found;
}
