// SPDX-License-Identifier: BSD-2-Clause
#include "fail/live.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

#define PREFIX "live."

char *fail_live__pattern(const char *folder)
{
	return xasprintf("%s/" PREFIX "%%p", folder);
}

void fail_live__remove(const char *folder)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (!strncmp(entry->d_name, PREFIX, strlen(PREFIX)))
			unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
}

void fail_live__clear(struct fail_live *live)
{
	for (size_t i = 0; i < live->nr; i++)
		fail_stack__clear(&live->sites[i].stack);
	free(live->sites);
	hmap__clear(&live->by_stack);
	hmap__clear(&live->by_call);
	hmap__clear(&live->resizing);
	hmap__clear(&live->ways);
	*live = (struct fail_live){ 0 };
}

static const struct fail_live_site *find(const struct fail_live *live, uint64_t stack_key)
{
	const uint64_t *index = hmap__find(&live->by_stack, stack_key);

	return index ? &live->sites[*index] : NULL;
}

void fail_live__add(struct fail_live *live, struct fail_live_site *site)
{
	const uint64_t *index = hmap__find(&live->by_stack, site->stack_key);
	struct fail_live_site *known;

	if (!index && live->nr == FAIL_MAX_LIVE) {
		live->incomplete = true;
		fail_stack__clear(&site->stack);
		return;
	}
	if (!index) {
		live->sites =
			array__grow(live->sites, live->nr, &live->capacity, sizeof(*live->sites));
		hmap__set(&live->by_stack, site->stack_key, live->nr);
		live->sites[live->nr++] = *site;
		return;
	}
	known = &live->sites[*index];
	if (site->blocks > known->blocks) {
		fail_stack__clear(&known->stack);
		*known = *site;
	} else {
		fail_stack__clear(&site->stack);
	}
}

/* ---- comparing --------------------------------------------------------------------------------
 */

static int most_bytes_first(const void *a, const void *b)
{
	const struct fail_live_site *one = *(const struct fail_live_site *const *)a;
	const struct fail_live_site *other = *(const struct fail_live_site *const *)b;

	if (one->bytes != other->bytes)
		return one->bytes > other->bytes ? -1 : 1;
	return one->stack_key < other->stack_key ? -1 : one->stack_key > other->stack_key;
}

/* The blocks that calls have in excess, to be taken from by their stacks. */
static struct hmap excess_of_calls(const struct fail_live *live, const struct fail_live *usual)
{
	struct hmap excess = { 0 };
	const uint64_t *before;
	uint64_t key, blocks;
	size_t at = 0;

	while (hmap__next(&live->by_call, &at, &key, &blocks)) {
		before = hmap__find(&usual->by_call, key);
		blocks -= before ? min(*before, blocks) : 0;
		hmap__set(&excess, key, blocks);
	}
	return excess;
}

/* Blocks of one stack that may be forgotten. */
struct suspect {
	const struct fail_live_site *site;
	uint64_t blocks, bytes;
};

static struct suspect compare_site(const struct fail_live_site *site,
				   const struct fail_live_site *usual, uint64_t *allowance)
{
	uint64_t before = usual ? usual->blocks : 0, bytes_before = usual ? usual->bytes : 0;
	struct suspect suspect = { .site = site };

	if (!allowance || site->blocks <= before)
		return suspect;
	suspect.blocks = min(site->blocks - before, *allowance);
	*allowance -= suspect.blocks;
	/* Which of the blocks these are nobody knows, unless it is all that came. */
	if (suspect.blocks == site->blocks - before && site->bytes >= bytes_before)
		suspect.bytes = site->bytes - bytes_before;
	else
		suspect.bytes = site->bytes / site->blocks * suspect.blocks;
	return suspect;
}

static bool is_among(uint64_t key, const uint64_t *keys, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (keys[i] == key)
			return true;
	return false;
}

/*
 * Blocks that only an undisturbed run has, of calls that take the place of others: by realloc the
 * same block under another name; by what has failed perhaps the larger one for which an older one
 * would have been freed.
 */
static uint64_t nr_not_replaced(const struct fail_live *live, const struct fail_live *usual,
				const uint64_t *failed_calls, size_t nr)
{
	uint64_t key, blocks, sum = 0;
	const uint64_t *now;
	size_t at = 0;

	while (hmap__next(&usual->by_call, &at, &key, &blocks)) {
		if (!hmap__find(&usual->resizing, key) && !is_among(key, failed_calls, nr))
			continue;
		now = hmap__find(&live->by_call, key);
		sum += blocks - (now ? min(*now, blocks) : 0);
	}
	return sum;
}

/* Takes so many blocks away, from the end on. */
static void acquit(struct suspect *suspects, size_t nr, uint64_t blocks)
{
	while (nr-- > 0 && blocks) {
		uint64_t taken = min(blocks, suspects[nr].blocks);

		if (!taken)
			continue;
		suspects[nr].bytes -= suspects[nr].bytes / suspects[nr].blocks * taken;
		suspects[nr].blocks -= taken;
		blocks -= taken;
	}
}

static void convict(struct fail_leaks *leaks, const struct suspect *suspect)
{
	struct fail_leak leak = { .blocks = suspect->blocks,
				  .bytes = suspect->bytes,
				  .stack = fail_stack__copy(&suspect->site->stack) };

	fail_leaks__add(leaks, &leak);
}

struct fail_leaks fail_live__compare(const struct fail_live *live, const struct fail_live *usual,
				     const uint64_t *failed_calls, size_t nr_failed)
{
	const struct fail_live_site **sites;
	struct fail_leaks leaks = { 0 };
	struct suspect *suspects;
	struct hmap excess;

	if (live->incomplete || usual->incomplete || !usual->nr_processes)
		return leaks;
	excess = excess_of_calls(live, usual);
	sites = xcalloc(live->nr + 1, sizeof(*sites));
	suspects = xcalloc(live->nr + 1, sizeof(*suspects));
	for (size_t i = 0; i < live->nr; i++)
		sites[i] = &live->sites[i];
	qsort(sites, live->nr, sizeof(*sites), most_bytes_first);
	for (size_t i = 0; i < live->nr; i++)
		if (hmap__find(&usual->ways, sites[i]->way_key))
			suspects[i] = compare_site(sites[i], find(usual, sites[i]->stack_key),
						   hmap__find(&excess, sites[i]->call_key));
	acquit(suspects, live->nr, nr_not_replaced(live, usual, failed_calls, nr_failed));
	for (size_t i = 0; i < live->nr; i++)
		if (suspects[i].blocks)
			convict(&leaks, &suspects[i]);
	hmap__clear(&excess);
	free(suspects);
	free(sites);
	return leaks;
}
