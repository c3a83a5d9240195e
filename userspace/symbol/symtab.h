/* SPDX-License-Identifier: BSD-2-Clause */
/* Function symbols by address: filled from a symbol table, sorted once, then searched. */
#ifndef SYMTAB_H
#define SYMTAB_H

#include <stddef.h>
#include <stdint.h>

#include "symbol/ranges.h"

struct symbol {
	const char *name; /* as in the symbol table: mangled, versioned */
	uint64_t start;
	uint64_t size; /* 0: not said (written in assembly) */
};

/* Zero-initialise. */
struct symtab {
	struct symbol *symbols;
	size_t nr, capacity;
	struct ranges sized;
};

/* name is not copied: it must outlive the table. */
void symtab__add(struct symtab *tab, const char *name, uint64_t start, uint64_t size);
/* To be called between the last symtab__add and the first symtab__find. */
void symtab__sort(struct symtab *tab);
/*
 * The symbol that address lies in; of several names of one function the plainest. When none says so
 * by its size: the nearest below, if it is one without size; whether it is in the same section is
 * the caller's to check. NULL when there is none.
 */
const struct symbol *symtab__find(const struct symtab *tab, uint64_t address);
void symtab__clear(struct symtab *tab);

#endif /* SYMTAB_H */
