// SPDX-License-Identifier: BSD-2-Clause
/*
 * Both glibc's loader (elf/dl-debug.c) and musl's (ldso/dynlink.c) call the empty function
 * _dl_debug_state when the list of what is loaded begins to change, and again when it has: after
 * the mapping, before any code of what was mapped runs.
 */
#include "probe/loader.h"

#include <elf.h>
#include <string.h>

#include "probe_abi.h"
#include "symbol/elf.h"

static bool visit(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	uint64_t *found = data;

	if (strcmp(name, "_dl_debug_state"))
		return true;
	*found = vaddr;
	return false;
}

bool loader__site(struct elf_file *elf, struct probe_site *site)
{
	uint64_t vaddr = 0;

	if (elf__machine(elf) != EM_X86_64 || !elf__is_64bit(elf))
		return false;
	elf__for_each_function(elf, visit, &vaddr);
	if (!vaddr)
		return false;
	*site = (struct probe_site){ .vaddr = vaddr,
				     .cookie = (uint64_t)PROBE_ROLE_LOADED << PROBE_ROLE_SHIFT,
				     .role = PROBE_ROLE_LOADED };
	return !elf__vaddr_to_offset(elf, vaddr, &site->file_offset);
}
