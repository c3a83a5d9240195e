// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/elf_dynamic.h"

#include <elf.h>
#include <string.h>

#include "base/util.h"
#include "symbol/elf.h"

#define CHUNK	   256
#define MAX_RELOCS (1u << 20)

/* One relocation that names a symbol. False: enough. */
typedef bool (*visit_reloc)(struct elf_file *elf, const Elf64_Rela *reloc, const Elf64_Sym *symbol,
			    void *data);

static bool visit_relocs(struct elf_file *elf, uint64_t table, uint64_t bytes, uint64_t symbols,
			 visit_reloc visit, void *data)
{
	uint64_t nr = min(bytes / sizeof(Elf64_Rela), (uint64_t)MAX_RELOCS);

	for (uint64_t done = 0; done < nr; done += CHUNK) {
		Elf64_Rela relocs[CHUNK];
		ssize_t len = elf__read(elf, table + done * sizeof(*relocs), relocs,
					sizeof(*relocs) * min(nr - done, (uint64_t)CHUNK));

		for (size_t i = 0; len > 0 && i < (size_t)len / sizeof(*relocs); i++) {
			uint64_t index = ELF64_R_SYM(relocs[i].r_info);
			Elf64_Sym symbol;

			if (index &&
			    elf__read(elf, symbols + index * sizeof(symbol), &symbol,
				      sizeof(symbol)) == sizeof(symbol) &&
			    !visit(elf, &relocs[i], &symbol, data))
				return false;
		}
		if (len <= 0)
			break;
	}
	return true;
}

static void for_each_reloc(struct elf_file *elf, visit_reloc visit, void *data)
{
	static const struct {
		int64_t table, bytes;
	} tables[] = { { DT_JMPREL, DT_PLTRELSZ }, { DT_RELA, DT_RELASZ } };
	uint64_t symbols = elf__dynamic(elf, DT_SYMTAB);

	if (!elf__is_64bit(elf) || !symbols)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		if (!visit_relocs(elf, elf__dynamic(elf, tables[i].table),
				  elf__dynamic(elf, tables[i].bytes), symbols, visit, data))
			return;
	}
}

struct wanted {
	uint64_t slot, vaddr;
	bool found;
};

static bool match_slot(struct elf_file *elf, const Elf64_Rela *reloc, const Elf64_Sym *symbol,
		       void *data)
{
	struct wanted *wanted = data;

	if (reloc->r_offset != wanted->slot)
		return true;
	wanted->found = symbol->st_shndx != SHN_UNDEF;
	wanted->vaddr = symbol->st_value;
	return false;
}

bool elf_dynamic__resolve(struct elf_file *elf, uint64_t slot, uint64_t *vaddr)
{
	struct wanted wanted = { .slot = slot };

	for_each_reloc(elf, match_slot, &wanted);
	*vaddr = wanted.vaddr;
	return wanted.found;
}
