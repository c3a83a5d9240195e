// SPDX-License-Identifier: BSD-2-Clause
#include "report/entries.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/util.h"

struct maker {
	struct entries entries;
	size_t capacity, families_capacity;
	struct hmap by_key;	    /* stack and family -> index of the entry */
	struct hmap family_of_func; /* -> index of the family */
	const struct functions *functions;
};

static uint32_t family_of(struct maker *maker, uint16_t func)
{
	const uint64_t *index = hmap__find(&maker->family_of_func, func);
	const struct function *function = functions__find(maker->functions, func);
	const char *name = function ? function->family : NULL;
	struct entries *entries = &maker->entries;
	size_t i = 0;

	if (index)
		return (uint32_t)*index;
	while (i < entries->nr_families && entries->families[i].name != name)
		i++;
	if (i == entries->nr_families) {
		entries->families =
			array__grow(entries->families, entries->nr_families,
				    &maker->families_capacity, sizeof(*entries->families));
		entries->families[entries->nr_families++] =
			(struct leak_family){ .name = name,
					      .of_libc = function && function->of_libc };
	}
	hmap__set(&maker->family_of_func, func, i);
	return (uint32_t)i;
}

static struct entry *entry_of(struct maker *maker, uint32_t stack, uint32_t family)
{
	uint64_t key = (uint64_t)family << 32 | stack;
	const uint64_t *index = hmap__find(&maker->by_key, key);
	struct entries *entries = &maker->entries;

	if (index)
		return &entries->all[*index];
	entries->all =
		array__grow(entries->all, entries->nr, &maker->capacity, sizeof(*entries->all));
	hmap__set(&maker->by_key, key, entries->nr);
	entries->all[entries->nr] =
		(struct entry){ .stack = stack, .family = family, .oldest_at_ns = UINT64_MAX };
	return &entries->all[entries->nr++];
}

static void add_site(struct maker *maker, const struct site *site, uint32_t stack)
{
	uint32_t family = family_of(maker, site->func);
	struct entry *entry = entry_of(maker, stack, family);

	maker->entries.families[family].bytes += site->bytes;
	maker->entries.families[family].blocks += site->blocks;
	entry->bytes += site->bytes;
	entry->blocks += site->blocks;
	entry->oldest_at_ns = min(entry->oldest_at_ns, site->oldest_at_ns);
	entry->newest_at_ns = max(entry->newest_at_ns, site->newest_at_ns);
}

/* Largest first; equal ones in the order their stacks were first met, so that output is stable. */
static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	if (a->blocks != b->blocks)
		return a->blocks < b->blocks ? 1 : -1;
	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	return a->family < b->family ? -1 : a->family > b->family;
}

/* Keeps what passes the filter. */
static void select_entries(struct entries *entries, const struct leaks_filter *filter)
{
	size_t nr = 0, nr_seen = entries->nr;

	for (size_t i = 0; i < nr_seen; i++)
		if (entries->all[i].bytes >= filter->min_bytes &&
		    entries->all[i].blocks >= filter->min_count)
			entries->all[nr++] = entries->all[i];
	if (nr)
		qsort(entries->all, nr, sizeof(*entries->all), compare_entries);
	if (filter->top && nr > filter->top)
		nr = filter->top;
	entries->nr = nr;
	entries->nr_hidden = nr_seen - nr;
}

struct entries entries__make(const struct sites *sites, const struct functions *functions,
			     const uint32_t *cut_index, const struct leaks_filter *filter)
{
	struct maker maker = { .functions = functions };

	for (size_t i = 0; i < sites->nr; i++) {
		uint32_t stack = sites->all[i].stack;

		add_site(&maker, &sites->all[i], cut_index ? cut_index[stack] : stack);
	}
	select_entries(&maker.entries, filter);
	hmap__clear(&maker.by_key);
	hmap__clear(&maker.family_of_func);
	return maker.entries;
}
