// SPDX-License-Identifier: BSD-2-Clause
#include "probe/families.h"

#include <stdlib.h>
#include <string.h>

#include "alloc_api.h"
#include "base/util.h"
#include "probe/custom.h"

static const struct {
	const char *family, *symbol;
} markers[] = {
#define ALLOC_MARKER(family_, symbol_) { #family_, #symbol_ },
	ALLOC_MARKERS(ALLOC_MARKER)
#undef ALLOC_MARKER
};

static int by_symbol(const void *left, const void *right)
{
	const struct known_name *a = left, *b = right;
	int order = strcmp(a->symbol, b->symbol);

	if (order)
		return order;
	if (!a->fn || !b->fn)
		return (a->fn ? 0 : 1) - (b->fn ? 0 : 1);
	return a->fn->number < b->fn->number ? -1 : a->fn->number > b->fn->number;
}

static void add(struct known_names *names, struct known_name name)
{
	names->sorted[names->nr++] = name;
}

void known_names__init(struct known_names *names, const struct custom_list *custom)
{
	size_t nr_custom = custom ? custom->nr : 0;

	*names = (struct known_names){ 0 };
	names->sorted =
		xcalloc(nr_alloc_fns + ARRAY_SIZE(markers) + nr_custom, sizeof(*names->sorted));
	for (size_t i = 0; i < nr_alloc_fns; i++)
		add(names,
		    (struct known_name){ .symbol = alloc_fns[i].symbol, .fn = &alloc_fns[i] });
	for (unsigned i = 0; i < ARRAY_SIZE(markers); i++)
		add(names, (struct known_name){ .symbol = markers[i].symbol,
						.marker = markers[i].family,
						.rank = i });
	for (size_t i = 0; i < nr_custom; i++) {
		if (!custom->items[i].by_address)
			add(names, (struct known_name){ .symbol = custom->items[i].fn.symbol,
							.custom = &custom->items[i] });
	}
	qsort(names->sorted, names->nr, sizeof(*names->sorted), by_symbol);
	for (size_t i = names->nr; i-- > 0;) {
		const char *symbol = names->sorted[i].symbol;

		hmap__set(&names->first, hash__bytes(symbol, strlen(symbol)), i);
	}
}

void known_names__clear(struct known_names *names)
{
	hmap__clear(&names->first);
	free(names->sorted);
}

const struct known_name *known_names__find(const struct known_names *names, const char *symbol,
					   size_t *nr)
{
	const uint64_t *index = hmap__find(&names->first, hash__bytes(symbol, strlen(symbol)));
	const struct known_name *found, *end = names->sorted + names->nr;

	if (!index || strcmp(names->sorted[*index].symbol, symbol))
		return NULL;
	found = &names->sorted[*index];
	for (*nr = 1; found + *nr < end && !strcmp(found[*nr].symbol, symbol); ++*nr)
		;
	return found;
}

static bool begins_with_any(const char *symbol, const char *const *prefixes, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (!strncmp(symbol, prefixes[i], strlen(prefixes[i])))
			return true;
	}
	return false;
}

bool family__is_own_name(const char *symbol)
{
	static const char *const prefixes[] = { "je_", "_rjem_", "tc_", "TCMallocInternal", "mi_" };

	return begins_with_any(symbol, prefixes, ARRAY_SIZE(prefixes));
}

bool family__is_operator(const char *symbol)
{
	static const char *const prefixes[] = { "_Znw", "_Zna", "_Zdl", "_Zda" };

	return begins_with_any(symbol, prefixes, ARRAY_SIZE(prefixes));
}

bool family__free_is_last(const char *family)
{
	static const char *const families[] = { "GLIBC", "MUSL", "JEMALLOC", "TCMALLOC",
						"MIMALLOC" };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (!strcmp(families[i], family))
			return true;
	}
	return false;
}
