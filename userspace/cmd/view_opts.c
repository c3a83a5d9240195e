// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/view_opts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "export/view.h"

#define MEMBER(name) offsetof(struct options, name), sizeof(((struct options *)0)->name)

/* Given is what is not 0. What belongs to all views alike (--json, --format, where names are looked
 * for) is not here. */
static const struct {
	const char *option;
	size_t member, size;
	enum view_takes takes;
} rows[] = {
	{ "0xADDRESS", MEMBER(address), VIEW_ADDRESS },
	{ "--at", MEMBER(at), VIEW_HEAP },
	{ "--between", MEMBER(between), VIEW_HEAP },
	{ "--process", MEMBER(only_pid), VIEW_HEAP },
	{ "--thread", MEMBER(tid), VIEW_HEAP },
	{ "--min-size", MEMBER(min_block_bytes), VIEW_HEAP },
	{ "--max-size", MEMBER(max_block_bytes), VIEW_HEAP },
	{ "--function", MEMBER(of_function.nr), VIEW_HEAP },
	{ "--file", MEMBER(of_file.nr), VIEW_HEAP },
	{ "--module", MEMBER(of_module.nr), VIEW_HEAP },
	{ "--suppressions", MEMBER(suppressions.nr), VIEW_HEAP },
	{ "--unresolved", MEMBER(unresolved), VIEW_HEAP },
	{ "--older", MEMBER(older_ns), VIEW_OLDER },
	{ "--min-bytes", MEMBER(min_bytes), VIEW_MINIMA },
	{ "--min-count", MEMBER(min_count), VIEW_MINIMA },
	{ "--top", MEMBER(top), VIEW_TOP },
	{ "--depth", MEMBER(depth), VIEW_DEPTH },
	{ "--cost", MEMBER(cost), VIEW_COST },
	{ "--min", MEMBER(min_share), VIEW_TREE },
	{ "--inverted", MEMBER(inverted), VIEW_TREE },
	{ "--width", MEMBER(width), VIEW_WIDTH },
	{ "--age", MEMBER(age_ns), VIEW_AGE },
	{ "--interval", MEMBER(interval_ns), VIEW_AGE },
	{ "--resolve", MEMBER(resolve), VIEW_RESOLVE },
	{ "--rotate-size", MEMBER(rotate_bytes), VIEW_ROTATE },
	{ "--rotate-keep", MEMBER(rotate_keep), VIEW_ROTATE },
	{ "--dialect", MEMBER(dialect), VIEW_DIALECT },
	{ "--time-slice-interval-secs", MEMBER(slice_s), VIEW_SLICES },
	{ "--sample-interval-secs", MEMBER(sample_s), VIEW_SLICES },
	{ "--error-exitcode", MEMBER(error_exitcode), VIEW_ENTRIES },
};

static bool is_given(const struct options *options, size_t member, size_t size)
{
	const char *bytes = (const char *)options + member;

	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return true;
	return false;
}

/* Whoever has use for it, of those that stand beside the view: "peak, tree, orphans --format csv".
 */
static void list_takers(char *text, size_t size, const struct view *view, enum view_takes takes)
{
	bool of_export = exporter__find(view->name) == view;
	const struct view *const *all = of_export ? exporters : views;
	size_t nr = of_export ? nr_exporters : nr_views, used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < nr; i++) {
		const struct view *other = all[i]->with_format;
		bool by_format = !(all[i]->takes & takes) && other && (other->takes & takes);

		if (!by_format && !(all[i]->takes & takes))
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", used ? ", " : "",
					 all[i]->name, by_format ? " --format " : "",
					 by_format ? other->formats : "");
		if (used >= size)
			return;
	}
}

static int check_cost(const struct options *options)
{
	if (!options->older_ns || !options->cost || !strcmp(options->cost, "live"))
		return 0;
	log_err("--older is about blocks that are live: it does not go with --cost %s.",
		options->cost);
	return -EINVAL;
}

static int check_rows(const struct options *options)
{
	const char *path = options->output;

	if (options->resolve && options->interval_ns) {
		log_err("--resolve looks once, at the end: it does not go with --interval.");
		return -EINVAL;
	}
	if (options->rotate_keep && !options->rotate_bytes) {
		log_err("--rotate-keep says how many old files are kept, and --rotate-size, which "
			"makes them, is not given.");
		return -EINVAL;
	}
	if (!options->rotate_bytes || (path && strcmp(path, "-")))
		return 0;
	log_err("--rotate-size is for rows that go to a file: name it by --output (-o).");
	return -EINVAL;
}

int view_opts__check(const struct options *options, const struct view *view)
{
	bool is_rows = options->format && exporter__find(view->name) != view;
	char takers[512];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if ((view->takes & rows[i].takes) ||
		    !is_given(options, rows[i].member, rows[i].size))
			continue;
		list_takers(takers, sizeof(takers), view, rows[i].takes);
		log_err("%s has no use for %s%s%s%s%s.", view->name, rows[i].option,
			is_rows ? " with --format " : "", is_rows ? options->format : "",
			*takers ? "; it is for " : "", takers);
		return -EINVAL;
	}
	return check_cost(options) ? -EINVAL : check_rows(options);
}
