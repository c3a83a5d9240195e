// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/symtab.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void symtab__add(struct symtab *tab, const char *name, uint64_t start, uint64_t size)
{
	tab->symbols = array__grow(tab->symbols, tab->nr, &tab->capacity, sizeof(*tab->symbols));
	tab->symbols[tab->nr++] = (struct symbol){ .name = name, .start = start, .size = size };
}

/* Underscores in front mark the inner names of a library: __libc_malloc is malloc to its users. */
static size_t nr_underscores(const char *name)
{
	if (!strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2))
		return 0;
	return strspn(name, "_");
}

/* Symbols without size come first at their address: any with a size says more. */
static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	size_t xn, yn;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	xn = nr_underscores(x->name);
	yn = nr_underscores(y->name);
	if (xn != yn)
		return xn < yn ? -1 : 1;
	xn = strlen(x->name);
	yn = strlen(y->name);
	if (xn != yn)
		return xn < yn ? -1 : 1;
	return strcmp(x->name, y->name);
}

void symtab__sort(struct symtab *tab)
{
	if (tab->nr)
		qsort(tab->symbols, tab->nr, sizeof(*tab->symbols), compare);
	for (size_t i = 0; i < tab->nr; i++) {
		const struct symbol *symbol = &tab->symbols[i];
		uint64_t end;

		if (__builtin_add_overflow(symbol->start, symbol->size, &end))
			end = UINT64_MAX;
		ranges__add(&tab->sized, symbol->start, end, i);
	}
	ranges__sort(&tab->sized);
}

const struct symbol *symtab__find(const struct symtab *tab, uint64_t address)
{
	const struct range *range = ranges__find(&tab->sized, address);
	size_t low = 0, high = tab->nr;

	if (range)
		return &tab->symbols[range->value];
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tab->symbols[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || tab->symbols[low - 1].size)
		return NULL;
	/* The plainest of those that start there. */
	for (low--; low && tab->symbols[low - 1].start == tab->symbols[low].start;)
		low--;
	return &tab->symbols[low];
}

void symtab__clear(struct symtab *tab)
{
	free(tab->symbols);
	ranges__clear(&tab->sized);
	*tab = (struct symtab){ 0 };
}
