// SPDX-License-Identifier: BSD-2-Clause
#include "lookup.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "objects.h"

/* Words of a hash chain that are followed: a damaged table is not to hold us. */
#define MAX_CHAIN      65536u
#define HIDDEN_VERSION 0x8000u

struct search {
	const char *name;
	bool behind; /* this library has been met */
	void *found, *in_front;
};

/* Some loaders have relocated what the section says, some have not. */
static const void *pointer(const struct lookup_tables *tables, ElfW(Addr) value)
{
	return (const void *)(value < tables->base ? value + tables->base : value);
}

static void read_dynamic(struct lookup_tables *tables, const ElfW(Dyn) * dynamic)
{
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		ElfW(Addr) value = dynamic->d_un.d_ptr;

		switch (dynamic->d_tag) {
		case DT_SYMTAB:
			tables->symbols = pointer(tables, value);
			break;
		case DT_STRTAB:
			tables->strings = pointer(tables, value);
			break;
		case DT_HASH:
			tables->hash = pointer(tables, value);
			break;
		case DT_GNU_HASH:
			tables->gnu_hash = pointer(tables, value);
			break;
		case DT_VERSYM:
			tables->versions = pointer(tables, value);
			break;
		}
	}
}

bool lookup__read_tables(struct lookup_tables *tables, const struct dl_phdr_info *info)
{
	memset(tables, 0, sizeof(*tables));
	tables->base = info->dlpi_addr;
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			read_dynamic(tables,
				     (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
	return tables->symbols && tables->strings;
}

/* The header of a GNU table does not say: the last chain that a bucket begins ends the table. */
static uint32_t count_by_gnu_hash(const struct lookup_tables *tables)
{
	const uint32_t *hash = tables->gnu_hash;
	const uint32_t *buckets =
		(const void *)((const uint8_t *)(hash + 4) + hash[2] * sizeof(ElfW(Addr)));
	const uint32_t *chain = buckets + hash[0];
	uint32_t last = 0, left = MAX_CHAIN;

	for (uint32_t i = 0; i < hash[0]; i++)
		last = buckets[i] > last ? buckets[i] : last;
	if (last < hash[1] || !last)
		return hash[1];
	while (left-- && !(chain[last - hash[1]] & 1))
		last++;
	return last + 1;
}

uint32_t lookup__nr_symbols(const struct lookup_tables *tables)
{
	if (tables->hash)
		return tables->hash[1];
	return tables->gnu_hash ? count_by_gnu_hash(tables) : 0;
}

/* Is symbol `index` the function? Of several versions the default one is. */
static void *match(const struct lookup_tables *tables, uint32_t index, const char *name)
{
	const ElfW(Sym) *symbol = &tables->symbols[index];
	/* The same for both classes. */
	unsigned type = ELF32_ST_TYPE(symbol->st_info);

	if (symbol->st_shndx == SHN_UNDEF || !symbol->st_value || type != STT_FUNC ||
	    strcmp(tables->strings + symbol->st_name, name))
		return NULL;
	if (tables->versions && tables->versions[index] & HIDDEN_VERSION)
		return NULL;
	return (void *)(tables->base + symbol->st_value);
}

static void *find_by_hash(const struct lookup_tables *tables, const char *name)
{
	const uint32_t *hash = tables->hash;
	uint32_t h = 0, index, left = MAX_CHAIN;
	void *found = NULL;

	for (const char *at = name; *at; at++) {
		h = (h << 4) + (uint8_t)*at;
		h = (h ^ (h >> 24 & 0xf0)) & 0x0fffffff;
	}
	if (!hash[0])
		return NULL;
	for (index = hash[2 + h % hash[0]]; index && index < hash[1] && left-- && !found;
	     index = hash[2 + hash[0] + index])
		found = match(tables, index, name);
	return found;
}

/* Its header: number of buckets, first symbol that is hashed, words of the filter, a shift. */
static void *find_by_gnu_hash(const struct lookup_tables *tables, const char *name)
{
	const uint32_t *hash = tables->gnu_hash;
	const ElfW(Addr) *filter = (const void *)(hash + 4);
	const uint32_t *buckets = (const void *)(filter + hash[2]);
	const uint32_t *chain = buckets + hash[0];
	const unsigned bits = 8 * sizeof(*filter);
	uint32_t h = 5381, index, left = MAX_CHAIN;
	ElfW(Addr) word;

	for (const char *at = name; *at; at++)
		h = h * 33 + (uint8_t)*at;
	if (!hash[0] || !hash[2])
		return NULL;
	word = filter[h / bits % hash[2]];
	if (!(word >> h % bits & word >> (h >> hash[3]) % bits & 1))
		return NULL;
	for (index = buckets[h % hash[0]]; index >= hash[1] && left--; index++) {
		uint32_t other = chain[index - hash[1]];
		void *found = (other | 1) == (h | 1) ? match(tables, index, name) : NULL;

		if (found || other & 1)
			return found;
	}
	return NULL;
}

static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *search = data;
	struct lookup_tables tables;
	void *found = NULL;

	if (objects__segment(info, (uintptr_t)&lookup__function)) {
		search->behind = true;
		return 0;
	}
	if (!lookup__read_tables(&tables, info))
		return 0;
	if (tables.gnu_hash)
		found = find_by_gnu_hash(&tables, search->name);
	else if (tables.hash)
		found = find_by_hash(&tables, search->name);
	if (search->behind)
		search->found = found;
	else if (!search->in_front)
		search->in_front = found;
	return search->found != NULL;
}

void *lookup__function(const char *name)
{
	struct search search = { .name = name };

	dl_iterate_phdr(look_at, &search);
	return search.found ? search.found : search.in_front;
}
