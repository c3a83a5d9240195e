// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ranges of addresses become sorted rows. The builder keeps what was added, as it was added, and
 * numbers the rules; finishing sorts by address, lets the earliest of overlapping ranges win, and
 * writes a row where the rule changes. Knows nothing of DWARF. Work is n log n whatever overlaps.
 */
#include "unwind/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"

/* Libraries of 100 MB have a million rows; who claims more than this is not believed. */
#define MAX_RANGES (8u << 20)
/* Rows end here: ~0 marks the unused entries of a block, and a row must end what came before. */
#define MAX_PC (UINT32_MAX - 1)

/* The first rules of every table: no information, and information that does not fit in here. */
enum { RULE_NONE, RULE_UNFIT };
static const struct unwind_rule first_rules[] = {
	[RULE_NONE] = { .cfa = UNWIND_CFA_NONE },
	[RULE_UNFIT] = { .cfa = UNWIND_CFA_NONE, .rbp = UNWIND_RBP_LOST },
};

struct range {
	uint64_t start, end;
	uint32_t rule;
	uint32_t order; /* of being added */
};

struct rows_builder {
	struct range *ranges;
	size_t nr_ranges, ranges_capacity;
	struct unwind_rule *rules;
	size_t nr_rules, rules_capacity;
	struct hmap by_hash; /* hash of a rule, or the next free key after it -> its index */
	uint32_t last_rule;
};

void unwind_table__free(struct unwind_table *table)
{
	if (!table)
		return;
	free(table->rows);
	free(table->rules);
	free(table);
}

/* The rule's index. */
static uint32_t intern(struct rows_builder *builder, const struct unwind_rule *rule)
{
	uint64_t key, *found;

	if (builder->nr_rules && !memcmp(rule, &builder->rules[builder->last_rule], sizeof(*rule)))
		return builder->last_rule;
	/* Equal hashes need not be equal rules: those that differ have the keys that follow. */
	for (key = hash__bytes(rule, sizeof(*rule)); (found = hmap__find(&builder->by_hash, key));
	     key++) {
		if (!memcmp(rule, &builder->rules[*found], sizeof(*rule)))
			return builder->last_rule = (uint32_t)*found;
	}
	if (builder->nr_rules == UNWIND_MAX_RULES)
		return RULE_UNFIT;
	hmap__set(&builder->by_hash, key, builder->nr_rules);
	builder->rules = array__grow(builder->rules, builder->nr_rules, &builder->rules_capacity,
				     sizeof(*builder->rules));
	builder->rules[builder->nr_rules] = *rule;
	return builder->last_rule = (uint32_t)builder->nr_rules++;
}

static void start(struct rows_builder *builder)
{
	memset(builder, 0, sizeof(*builder));
	for (size_t i = 0; i < ARRAY_SIZE(first_rules); i++)
		intern(builder, &first_rules[i]);
}

struct rows_builder *rows_builder__new(void)
{
	struct rows_builder *builder = xmalloc(sizeof(*builder));

	start(builder);
	return builder;
}

void rows_builder__free(struct rows_builder *builder)
{
	if (!builder)
		return;
	free(builder->ranges);
	free(builder->rules);
	hmap__clear(&builder->by_hash);
	free(builder);
}

int rows_builder__add(struct rows_builder *builder, uint64_t start, uint64_t end,
		      const struct unwind_rule *rule)
{
	struct range *last = builder->nr_ranges ? &builder->ranges[builder->nr_ranges - 1] : NULL;
	uint32_t index;

	if (start >= end)
		return 0;
	index = intern(builder, rule);
	if (last && last->end == start && last->rule == index) {
		last->end = end;
		return 0;
	}
	if (builder->nr_ranges == MAX_RANGES)
		return -E2BIG;
	builder->ranges = array__grow(builder->ranges, builder->nr_ranges,
				      &builder->ranges_capacity, sizeof(*builder->ranges));
	builder->ranges[builder->nr_ranges] = (struct range){
		.start = start, .end = end, .rule = index, .order = (uint32_t)builder->nr_ranges
	};
	builder->nr_ranges++;
	return 0;
}

uint64_t rows_builder__next(const struct rows_builder *builder, uint64_t address)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < builder->nr_ranges; i++)
		if (builder->ranges[i].start > address)
			next = min(next, builder->ranges[i].start);
	return next;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->order < right->order ? -1 : left->order > right->order;
}

/* Compilers and linkers write most tables in order: then there is nothing to sort. */
static void sort_ranges(struct range *ranges, size_t nr)
{
	for (size_t i = 1; i < nr; i++) {
		if (ranges[i].start < ranges[i - 1].start) {
			qsort(ranges, nr, sizeof(*ranges), compare_ranges);
			return;
		}
	}
}

/* The ranges that reach over an address: a heap, the earliest added on top. */
struct active {
	const struct range **ranges;
	size_t nr, capacity;
};

static void push(struct active *active, const struct range *range)
{
	size_t i = active->nr;

	active->ranges =
		array__grow(active->ranges, active->nr, &active->capacity, sizeof(*active->ranges));
	active->nr++;
	for (; i && active->ranges[(i - 1) / 2]->order > range->order; i = (i - 1) / 2)
		active->ranges[i] = active->ranges[(i - 1) / 2];
	active->ranges[i] = range;
}

static void pop(struct active *active)
{
	const struct range *moved = active->ranges[--active->nr];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < active->nr) {
		if (child + 1 < active->nr &&
		    active->ranges[child + 1]->order < active->ranges[child]->order)
			child++;
		if (moved->order < active->ranges[child]->order)
			break;
		active->ranges[i] = active->ranges[child];
		i = child;
	}
	active->ranges[i] = moved;
}

/* Rows are written from low addresses to high. False: what follows is too far from the base. */
static bool emit(struct unwind_table *table, size_t *capacity, uint64_t address, uint32_t rule)
{
	uint64_t pc = address - table->base;

	if (pc >= MAX_PC) {
		pc = MAX_PC;
		rule = RULE_UNFIT;
	}
	if (!table->nr_rows || table->rows[table->nr_rows - 1].rule != rule) {
		table->rows =
			array__grow(table->rows, table->nr_rows, capacity, sizeof(*table->rows));
		table->rows[table->nr_rows++] =
			(struct unwind_row){ .pc = (uint32_t)pc, .rule = (uint16_t)rule };
	}
	return pc < MAX_PC;
}

/* Sweeps over sorted ranges, from each address where something changes to the next. */
static void make_rows(struct unwind_table *table, const struct range *ranges, size_t nr)
{
	size_t capacity = 0, next = 0;
	struct active active = { 0 };
	uint64_t at = nr ? ranges[0].start : 0;
	bool more = nr;

	table->base = at;
	while (more) {
		while (next < nr && ranges[next].start <= at)
			push(&active, &ranges[next++]);
		while (active.nr && active.ranges[0]->end <= at)
			pop(&active);
		more = emit(table, &capacity, at, active.nr ? active.ranges[0]->rule : RULE_NONE) &&
		       (active.nr || next < nr);
		if (active.nr)
			at = active.ranges[0]->end;
		if (next < nr)
			at = active.nr ? min(at, ranges[next].start) : ranges[next].start;
	}
	free(active.ranges);
	/* Room for twice as many is much where there are millions. */
	if (table->nr_rows)
		table->rows = xreallocarray(table->rows, table->nr_rows, sizeof(*table->rows));
}

struct unwind_table *rows_builder__finish(struct rows_builder *builder)
{
	struct unwind_table *table = xcalloc(1, sizeof(*table));

	sort_ranges(builder->ranges, builder->nr_ranges);
	make_rows(table, builder->ranges, builder->nr_ranges);
	table->rules = builder->rules;
	table->nr_rules = builder->nr_rules;
	free(builder->ranges);
	hmap__clear(&builder->by_hash);
	start(builder);
	return table;
}

const struct unwind_rule *unwind_table__find(const struct unwind_table *table, uint64_t vaddr)
{
	size_t low = 0, high = table->nr_rows;

	if (vaddr < table->base || vaddr - table->base > UINT32_MAX)
		return NULL;
	/* The rows before low start at or below vaddr, those from high on above it. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->rows[middle].pc <= vaddr - table->base)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &table->rules[table->rows[low - 1].rule] : NULL;
}
