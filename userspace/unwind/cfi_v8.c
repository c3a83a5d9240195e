// SPDX-License-Identifier: BSD-2-Clause
/*
 * V8's builtins: the machine code in node and its relatives through which every script runs. V8's
 * own compiler wrote it when the program was built, and writes no unwind information on Linux. But
 * what it compiles keeps a frame pointer while it calls anything, as V8's own stack walks rely on
 * it.
 *
 * Not so a few, and those stay without rules, for a walk through them to end rather than to miss
 * frames: what calls before it has set up its frame, and what is called by code that has none.
 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "symbol/elf.h"
#include "unwind/cfi_internal.h"

#define PREFIX	     "Builtins_"
#define MAX_FUNCTION 65536
#define MAX_BUILTINS 16384

struct builtins {
	struct elf_file *elf;
	struct rows_builder *builder;
	uint8_t *code;
	size_t nr;
};

static bool is_called_without_frame(const char *name)
{
	static const char *const called[] = { "DeoptimizationEntry", "RecordWrite",
					      "EphemeronKeyBarrier" };

	for (size_t i = 0; i < ARRAY_SIZE(called); i++)
		if (!strncmp(name, called[i], strlen(called[i])))
			return true;
	return false;
}

static bool add_builtin(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	static const uint8_t set_up[] = { 0x55, 0x48, 0x89, 0xe5 }; /* push %rbp; mov %rsp,%rbp */
	static const struct unwind_rule rule = {
		.cfa = UNWIND_CFA_RBP, .cfa_offset = 16, .rbp = UNWIND_RBP_SAVED, .rbp_offset = -16
	};
	struct builtins *builtins = data;
	const uint8_t *at;
	uint64_t start;
	ssize_t len;

	if (strncmp(name, PREFIX, strlen(PREFIX)) ||
	    is_called_without_frame(name + strlen(PREFIX)) || size > MAX_FUNCTION)
		return true;
	if (++builtins->nr > MAX_BUILTINS)
		return false;
	len = elf__read(builtins->elf, vaddr, builtins->code, size);
	at = len > 0 ? memmem(builtins->code, (size_t)len, set_up, sizeof(set_up)) : NULL;
	if (!at)
		return true;
	start = vaddr + (uint64_t)(at - builtins->code) + sizeof(set_up);
	return !rows_builder__add(builtins->builder, start, vaddr + (uint64_t)len, &rule);
}

void cfi_v8__add(int fd, struct rows_builder *builder)
{
	struct builtins builtins = { .elf = elf__open(fd), .builder = builder };

	if (!builtins.elf)
		return;
	builtins.code = xmalloc(MAX_FUNCTION);
	elf__for_each_function(builtins.elf, add_builtin, &builtins);
	free(builtins.code);
	elf__close(builtins.elf);
}
