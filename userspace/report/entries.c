// SPDX-License-Identifier: BSD-2-Clause
#include "report/entries.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/util.h"

struct maker {
	struct entries entries;
	size_t families_capacity;
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
			(struct report_family){ .name = name,
						.of_libc = function && function->of_libc };
	}
	hmap__set(&maker->family_of_func, func, i);
	return (uint32_t)i;
}

static struct entry *entry_of(struct maker *maker, uint32_t stack, uint32_t family, uint16_t func)
{
	uint64_t key = (uint64_t)family << 32 | stack;
	const uint64_t *index = hmap__find(&maker->by_key, key);
	struct entries *entries = &maker->entries;

	if (index)
		return &entries->all[*index];
	entries->all =
		array__grow(entries->all, entries->nr, &entries->capacity, sizeof(*entries->all));
	hmap__set(&maker->by_key, key, entries->nr);
	entries->all[entries->nr] = (struct entry){
		.stack = stack, .family = family, .func = func, .oldest_at_ns = UINT64_MAX
	};
	return &entries->all[entries->nr++];
}

static void merge(struct entry *entry, const struct entry *what)
{
	costs__add(&entry->costs, &what->costs);
	entry->oldest_at_ns = min(entry->oldest_at_ns, what->oldest_at_ns);
	entry->newest_at_ns = max(entry->newest_at_ns, what->newest_at_ns);
}

static void add(struct maker *maker, const struct entry *what, uint16_t func, enum cost cost)
{
	uint32_t family = family_of(maker, func);

	amount__add(&maker->entries.families[family].amount, what->costs.of[cost]);
	merge(entry_of(maker, what->stack, family, func), what);
}

struct entries entries__make(const struct sites *sites, const struct profile_process *profile,
			     const struct functions *functions, const uint32_t *cut_index,
			     enum cost cost)
{
	struct maker maker = { .functions = functions };

	for (size_t i = 0; sites && i < sites->nr; i++) {
		const struct site *site = &sites->all[i];
		struct entry what = { .stack = cut_index ? cut_index[site->stack] : site->stack,
				      .costs.of[COST_LIVE] = site->live,
				      .oldest_at_ns = site->oldest_at_ns,
				      .newest_at_ns = site->newest_at_ns };

		add(&maker, &what, site->func, cost);
	}
	for (size_t i = 0; profile && i < profile->nr_sites; i++) {
		const struct profile_site *site = &profile->sites[i];
		struct entry what = { .stack = cut_index ? cut_index[site->stack] : site->stack,
				      .costs = site->costs,
				      .oldest_at_ns = UINT64_MAX,
				      .newest_at_ns = UINT64_MAX };

		add(&maker, &what, site->func, cost);
	}
	hmap__clear(&maker.by_key);
	hmap__clear(&maker.family_of_func);
	return maker.entries;
}

void entries__cut_stacks(struct entries *entries, const uint32_t *cut_index)
{
	struct maker maker = { 0 };

	for (size_t i = 0; i < entries->nr; i++) {
		const struct entry *whole = &entries->all[i];

		merge(entry_of(&maker, cut_index[whole->stack], whole->family, whole->func), whole);
	}
	hmap__clear(&maker.by_key);
	free(entries->all);
	entries->all = maker.entries.all;
	entries->nr = maker.entries.nr;
	entries->capacity = maker.entries.capacity;
}

/* Largest first; equal ones in the order their stacks were first met, so that output is stable. */
static int compare_entries(const void *left, const void *right, void *data)
{
	const struct entry *a = left, *b = right;
	enum cost cost = *(const enum cost *)data;
	struct amount x = a->costs.of[cost], y = b->costs.of[cost];

	if (x.bytes != y.bytes)
		return x.bytes < y.bytes ? 1 : -1;
	if (x.blocks != y.blocks)
		return x.blocks < y.blocks ? 1 : -1;
	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	return a->family < b->family ? -1 : a->family > b->family;
}

void entries__select(struct entries *entries, const struct report_options *options)
{
	size_t nr = 0, nr_seen = entries->nr;
	enum cost cost = options->cost;

	for (size_t i = 0; i < nr_seen; i++) {
		struct amount amount = entries->all[i].costs.of[cost];

		if (amount.blocks && amount.bytes >= options->min_bytes &&
		    amount.blocks >= options->min_count)
			entries->all[nr++] = entries->all[i];
		else
			entries->nr_hidden += amount.blocks > 0;
	}
	entries->nr = nr;
	if (nr)
		qsort_r(entries->all, nr, sizeof(*entries->all), compare_entries, &cost);
}

void entries__cut(struct entries *entries, const struct report_options *options)
{
	if (!options->top || entries->nr <= options->top)
		return;
	entries->nr_hidden += entries->nr - options->top;
	entries->nr = options->top;
}
