// SPDX-License-Identifier: BSD-2-Clause
#include "report/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "report/diff_match.h"

/* The sites of one side on their way. */
struct side {
	struct match_site *sites;
	size_t nr, capacity;
	struct hmap by_exact; /* -> index */
};

struct differ {
	const struct report_options *options;
	const struct build_ids *ids;
	struct diff *diff;
	size_t capacity;
};

static void add_process(const struct differ *differ, struct side *side,
			const struct process_report *process, struct amount *sum)
{
	for (size_t i = 0; i < process->nr_entries; i++) {
		const struct report_entry *entry = &process->entries[i];
		struct match_site site = { .entry = entry,
					   .amount = entry->costs.of[differ->options->cost] };
		const uint64_t *index;

		amount__add(sum, site.amount);
		match__identify(differ->ids, &site);
		index = hmap__find(&side->by_exact, site.exact);
		if (index) {
			amount__add(&side->sites[*index].amount, site.amount);
			continue;
		}
		side->sites =
			array__grow(side->sites, side->nr, &side->capacity, sizeof(*side->sites));
		hmap__set(&side->by_exact, site.exact, side->nr);
		side->sites[side->nr++] = site;
	}
}

static int compare_amounts(struct amount a, struct amount b)
{
	if (a.bytes != b.bytes)
		return a.bytes < b.bytes ? -1 : 1;
	return a.blocks < b.blocks ? -1 : a.blocks > b.blocks;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_large(const struct diff_site *site, const struct report_options *options)
{
	return distance(site->before.bytes, site->after.bytes) >= options->min_bytes &&
	       distance(site->before.blocks, site->after.blocks) >= options->min_count;
}

static void add_site(const struct differ *differ, struct diff_process *to, size_t *capacity,
		     const struct diff_site *site)
{
	int change = compare_amounts(site->before, site->after);

	to->nr_grown += change < 0;
	to->nr_new += change < 0 && !site->before.blocks;
	to->nr_shrunk += change > 0;
	to->nr_gone += change > 0 && !site->after.blocks;
	if (!change)
		return;
	if (!is_large(site, differ->options)) {
		to->nr_hidden++;
		return;
	}
	to->sites = array__grow(to->sites, to->nr_sites, capacity, sizeof(*to->sites));
	to->sites[to->nr_sites++] = *site;
}

/* What grew most first; what shrank most last. */
static int compare_sites(const void *left, const void *right)
{
	const struct diff_site *a = left, *b = right;
	int64_t x = (int64_t)(a->after.bytes - a->before.bytes);
	int64_t y = (int64_t)(b->after.bytes - b->before.bytes);

	if (x != y)
		return x > y ? -1 : 1;
	x = (int64_t)(a->after.blocks - a->before.blocks);
	y = (int64_t)(b->after.blocks - b->before.blocks);
	if (x != y)
		return x > y ? -1 : 1;
	return a->entry->stack < b->entry->stack ? -1 : a->entry->stack > b->entry->stack;
}

/* The sites of both sides as one list. */
static void merge_sides(const struct differ *differ, struct side *sides, struct diff_process *to)
{
	size_t capacity = 0, top = differ->options->top;

	match__pair(sides[0].sites, sides[0].nr, sides[1].sites, sides[1].nr);
	for (size_t i = 0; i < sides[1].nr; i++) {
		const struct match_site *after = &sides[1].sites[i];
		struct diff_site site = { .after = after->amount, .entry = after->entry };

		if (after->partner)
			site.before = after->partner->amount;
		add_site(differ, to, &capacity, &site);
	}
	for (size_t i = 0; i < sides[0].nr; i++) {
		const struct match_site *before = &sides[0].sites[i];
		struct diff_site site = { .before = before->amount, .entry = before->entry };

		if (!before->partner)
			add_site(differ, to, &capacity, &site);
	}
	if (to->nr_sites)
		qsort(to->sites, to->nr_sites, sizeof(*to->sites), compare_sites);
	if (top && to->nr_sites > top) {
		to->nr_hidden += to->nr_sites - top;
		to->nr_sites = top;
	}
}

/* Compares process `before` with `after`, or all with all: both SIZE_MAX. */
static void add_pair(struct differ *differ, size_t before, size_t after)
{
	struct diff *diff = differ->diff;
	const size_t numbers[2] = { before, after };
	struct diff_process process = { 0 };
	struct side sides[2] = { 0 };

	for (unsigned s = 0; s < 2; s++) {
		const struct report *report = diff->reports[s];
		struct amount *sum = s ? &process.sum_after : &process.sum_before;

		for (size_t i = 0; i < report->nr_processes; i++) {
			if (numbers[s] != SIZE_MAX && numbers[s] != i)
				continue;
			add_process(differ, &sides[s], &report->processes[i], sum);
			amount__add(&process.suppressed[s], report->processes[i].suppressed);
		}
	}
	if (before != SIZE_MAX) {
		process.before = diff->reports[0]->processes[before].process;
		process.after = diff->reports[1]->processes[after].process;
	}
	merge_sides(differ, sides, &process);
	for (unsigned s = 0; s < 2; s++) {
		free(sides[s].sites);
		hmap__clear(&sides[s].by_exact);
	}
	diff->processes = array__grow(diff->processes, diff->nr_processes, &differ->capacity,
				      sizeof(*diff->processes));
	diff->processes[diff->nr_processes++] = process;
	diff->nr_grown += process.nr_grown;
}

/* The name of a process and how many of that name came before it, as one number. */
static uint64_t name_process(const struct process *process, struct hmap *seen)
{
	const char *name = process->exe ? path__base(process->exe) : "";
	uint64_t words[2] = { hash__bytes(name, strlen(name)), 0 }, *nr;

	nr = hmap__find(seen, words[0]);
	words[1] = nr ? *nr : 0;
	hmap__set(seen, words[0], words[1] + 1);
	return hash__bytes(words, sizeof(words));
}

/* partner: by number of a later process, the number of the earlier; false: they do not match. */
static bool match_processes(const struct diff *diff, size_t *partner)
{
	struct hmap seen[2] = { 0 }, by_name = { 0 };
	size_t nr = diff->reports[0]->nr_processes;
	bool all = nr == diff->reports[1]->nr_processes;

	partner[0] = 0;
	for (size_t i = 0; all && i < nr; i++)
		hmap__set(&by_name, name_process(diff->reports[0]->processes[i].process, &seen[0]),
			  i);
	for (size_t i = 0; all && nr > 1 && i < nr; i++) {
		const uint64_t *number = hmap__find(
			&by_name, name_process(diff->reports[1]->processes[i].process, &seen[1]));

		all = number != NULL;
		partner[i] = number ? *number : 0;
	}
	hmap__clear(&seen[0]);
	hmap__clear(&seen[1]);
	hmap__clear(&by_name);
	return all;
}

struct diff *diff__build(struct model *const models[2], struct profile *const profiles[2],
			 const struct report_options *options)
{
	const struct model *const both[2] = { models[0], models[1] };
	struct build_ids *ids = build_ids__shared(both);
	struct diff *diff = xcalloc(1, sizeof(*diff));
	struct differ differ = { .options = options, .ids = ids, .diff = diff };
	struct report_options all = *options;
	size_t *partner;

	all.min_bytes = all.min_count = all.top = 0;
	for (unsigned s = 0; s < 2; s++)
		diff->reports[s] = report__build(models[s], profiles[s], &all);
	partner = xcalloc(diff->reports[1]->nr_processes, sizeof(*partner));
	if (match_processes(diff, partner))
		for (size_t i = 0; i < diff->reports[1]->nr_processes; i++)
			add_pair(&differ, partner[i], i);
	else
		add_pair(&differ, SIZE_MAX, SIZE_MAX);
	free(partner);
	build_ids__free(ids);
	return diff;
}

void diff__free(struct diff *diff)
{
	if (!diff)
		return;
	for (size_t i = 0; i < diff->nr_processes; i++)
		free(diff->processes[i].sites);
	free(diff->processes);
	report__free(diff->reports[0]);
	report__free(diff->reports[1]);
	free(diff);
}
