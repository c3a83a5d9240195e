// SPDX-License-Identifier: BSD-2-Clause
#include "report/diff_match.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"

/* Hashes of build-ids of 64 bits: 1 in one recording, 3 in both. */
struct build_ids {
	struct hmap seen;
};

struct build_ids *build_ids__shared(const struct model *const models[2])
{
	struct build_ids *ids = xcalloc(1, sizeof(*ids));

	for (unsigned side = 0; side < 2; side++) {
		uint32_t nr = modmap__nr_modules(models[side]->modmap);

		for (uint32_t i = 0; i < nr; i++) {
			const struct module *module = modmap__module(models[side]->modmap, i);
			uint64_t key = hash__bytes(module->build_id, module->build_id_len), *known;

			if (!module->build_id_len)
				continue;
			known = hmap__find(&ids->seen, key);
			hmap__set(&ids->seen, key, (known ? *known : 0) | 1u << side);
		}
	}
	return ids;
}

void build_ids__free(struct build_ids *ids)
{
	hmap__clear(&ids->seen);
	free(ids);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	uint64_t words[2] = { hash, value };

	return hash__bytes(words, sizeof(words));
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	return mix(hash, text ? hash__bytes(text, strlen(text)) : 0);
}

/* The number of a build-id that both have; 0: it is not one. */
static uint64_t shared_build_id(const struct build_ids *ids, const struct module *module)
{
	const uint64_t *sides;
	uint64_t key;

	if (!module || !module->build_id_len)
		return 0;
	key = hash__bytes(module->build_id, module->build_id_len);
	sides = hmap__find(&ids->seen, key);
	return sides && *sides == 3 ? key | 1 : 0;
}

static uint64_t add_frame(const struct build_ids *ids, uint64_t hash, const struct frame *frame)
{
	uint64_t build_id = shared_build_id(ids, frame->module);

	if (build_id)
		return mix_text(mix(mix(hash, build_id), frame->offset), frame->function);
	if (frame->function) {
		hash = mix_text(hash, frame->function);
		hash = mix_text(hash, frame->file ? path__base(frame->file) : NULL);
		return mix(hash, frame->line);
	}
	/* What is in no file has another address each time. */
	if (!frame->module)
		return mix(hash, 1);
	return mix(mix_text(hash, path__base(frame->module->path)), frame->offset);
}

static uint64_t add_function(const struct build_ids *ids, uint64_t hash, const struct frame *frame)
{
	if (frame->function)
		return mix_text(hash, frame->function);
	if (!frame->module)
		return mix(hash, 1);
	hash = mix_text(hash, path__base(frame->module->path));
	return shared_build_id(ids, frame->module) ? mix(hash, frame->offset) : hash;
}

void match__identify(const struct build_ids *ids, struct match_site *site)
{
	const struct report_entry *entry = site->entry;

	site->certain = true;
	site->exact = site->by_name = entry->cut;
	for (uint32_t i = 0; i < entry->nr_frames; i++) {
		site->certain &= shared_build_id(ids, entry->frames[i].module) != 0;
		site->exact = add_frame(ids, site->exact, &entry->frames[i]);
		site->by_name = add_function(ids, site->by_name, &entry->frames[i]);
	}
}

static void marry(struct match_site *before, struct match_site *after)
{
	before->partner = after;
	after->partner = before;
}

static void pair_exact(struct match_site *before, size_t nr_before, struct match_site *after,
		       size_t nr_after)
{
	struct hmap by_exact = { 0 };

	for (size_t i = 0; i < nr_before; i++)
		if (before[i].certain)
			hmap__set(&by_exact, before[i].exact, i);
	for (size_t i = 0; i < nr_after; i++) {
		const uint64_t *index = hmap__find(&by_exact, after[i].exact);

		if (index && after[i].certain)
			marry(&before[*index], &after[i]);
	}
	hmap__clear(&by_exact);
}

/* Those of one name side by side, in the order of their lines. */
static int compare_sites(const void *left, const void *right)
{
	const struct match_site *a = *(struct match_site *const *)left;
	const struct match_site *b = *(struct match_site *const *)right;
	const struct report_entry *x = a->entry, *y = b->entry;

	if (a->by_name != b->by_name)
		return a->by_name < b->by_name ? -1 : 1;
	for (uint32_t i = min(x->nr_frames, y->nr_frames); i-- > 0;) {
		if (x->frames[i].line != y->frames[i].line)
			return x->frames[i].line < y->frames[i].line ? -1 : 1;
		if (x->frames[i].offset != y->frames[i].offset)
			return x->frames[i].offset < y->frames[i].offset ? -1 : 1;
	}
	return 0;
}

/* The sites that have no partner, sorted. */
static struct match_site **singles(struct match_site *sites, size_t nr, size_t *nr_singles)
{
	struct match_site **all = xcalloc(nr, sizeof(*all));

	*nr_singles = 0;
	for (size_t i = 0; i < nr; i++)
		if (!sites[i].partner)
			all[(*nr_singles)++] = &sites[i];
	if (*nr_singles)
		qsort(all, *nr_singles, sizeof(struct match_site *), compare_sites);
	return all;
}

/* How far the lines of two sites are apart, frame by frame; offsets where lines are not known. */
struct couple {
	struct match_site *before, *after;
	uint64_t shift;	   /* a number for it: equal shifts, equal numbers */
	uint64_t distance; /* in lines, over all frames */
	uint64_t votes;	   /* couples of the same shift */
	size_t order;	   /* in the order of lines */
};

static struct couple make_couple(struct match_site *before, struct match_site *after)
{
	const struct report_entry *x = before->entry, *y = after->entry;
	struct couple couple = { .before = before, .after = after };

	for (uint32_t i = 0; i < min(x->nr_frames, y->nr_frames); i++) {
		const struct frame *from = &x->frames[i], *to = &y->frames[i];
		bool lines = from->line && to->line;
		int64_t by = lines ? (int64_t)to->line - from->line
				   : (int64_t)(to->offset - from->offset);

		couple.shift = mix(couple.shift, (uint64_t)by);
		couple.distance += (uint64_t)(by < 0 ? -by : by);
	}
	return couple;
}

static int compare_couples(const void *left, const void *right)
{
	const struct couple *a = left, *b = right;

	if (a->votes != b->votes)
		return a->votes > b->votes ? -1 : 1;
	if (a->distance != b->distance)
		return a->distance < b->distance ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Sites with the same functions: lines that were inserted or deleted move all that follow by as
 * much, so the shift that most couples have in common is likely the right one. That may be none. */
static void pair_by_shift(struct match_site **before, size_t nr_before, struct match_site **after,
			  size_t nr_after)
{
	struct couple *couples = xcalloc(nr_before * nr_after, sizeof(*couples));
	struct hmap votes = { 0 };
	size_t nr = 0;

	for (size_t i = 0; i < nr_before; i++)
		for (size_t k = 0; k < nr_after; k++) {
			const uint64_t *so_far;

			couples[nr] = make_couple(before[i], after[k]);
			couples[nr].order = nr;
			so_far = hmap__find(&votes, couples[nr].shift);
			hmap__set(&votes, couples[nr].shift, (so_far ? *so_far : 0) + 1);
			nr++;
		}
	for (size_t i = 0; i < nr; i++)
		couples[i].votes = *hmap__find(&votes, couples[i].shift);
	qsort(couples, nr, sizeof(*couples), compare_couples);
	for (size_t i = 0; i < nr; i++)
		if (!couples[i].before->partner && !couples[i].after->partner)
			marry(couples[i].before, couples[i].after);
	hmap__clear(&votes);
	free(couples);
}

/* Beyond so many couples, sites of one name are paired in the order of their lines. */
#define MAX_COUPLES 10000

static size_t nr_of_name(struct match_site **sites, size_t nr, uint64_t name)
{
	size_t i = 0;

	while (i < nr && sites[i]->by_name == name)
		i++;
	return i;
}

static void pair_by_name(struct match_site **before, size_t nr_before, struct match_site **after,
			 size_t nr_after)
{
	size_t b = 0, a = 0;

	while (b < nr_before && a < nr_after) {
		uint64_t name = max(before[b]->by_name, after[a]->by_name);
		size_t nr_b = nr_of_name(before + b, nr_before - b, name);
		size_t nr_a = nr_of_name(after + a, nr_after - a, name);

		if (!nr_b || !nr_a) {
			/* The smaller name is on one side only. */
			b += before[b]->by_name < name;
			a += after[a]->by_name < name;
			continue;
		}
		if (nr_b <= MAX_COUPLES / nr_a)
			pair_by_shift(before + b, nr_b, after + a, nr_a);
		else
			for (size_t i = 0; i < min(nr_b, nr_a); i++)
				marry(before[b + i], after[a + i]);
		b += nr_b;
		a += nr_a;
	}
}

void match__pair(struct match_site *before, size_t nr_before, struct match_site *after,
		 size_t nr_after)
{
	struct match_site **left, **right;
	size_t nr_left, nr_right;

	pair_exact(before, nr_before, after, nr_after);
	left = singles(before, nr_before, &nr_left);
	right = singles(after, nr_after, &nr_right);
	pair_by_name(left, nr_left, right, nr_right);
	free(left);
	free(right);
}
