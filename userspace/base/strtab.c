// SPDX-License-Identifier: BSD-2-Clause
#include "base/strtab.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

uint32_t strtab__add(struct strtab *tab, const char *text, size_t len)
{
	uint64_t *id, hash;

	len = strnlen(text, len);
	hash = hash__bytes(text, len);
	/* Two texts of one 64-bit hash: the second takes the next free number. */
	for (; (id = hmap__find(&tab->by_hash, hash)); hash++) {
		const char *known = tab->texts[*id - 1];

		if (!strncmp(known, text, len) && !known[len])
			return (uint32_t)*id;
	}
	tab->texts = array__grow(tab->texts, tab->nr, &tab->capacity, sizeof(*tab->texts));
	tab->texts[tab->nr++] = xstrndup(text, len);
	hmap__set(&tab->by_hash, hash, tab->nr);
	return (uint32_t)tab->nr;
}

const char *strtab__text(const struct strtab *tab, uint32_t id)
{
	return id && id <= tab->nr ? tab->texts[id - 1] : NULL;
}

void strtab__clear(struct strtab *tab)
{
	for (size_t i = 0; i < tab->nr; i++)
		free(tab->texts[i]);
	free(tab->texts);
	hmap__clear(&tab->by_hash);
	*tab = (struct strtab){ 0 };
}
