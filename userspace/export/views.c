// SPDX-License-Identifier: BSD-2-Clause
/* The tables of views and exporters, in the order in which they are listed. */
#include <string.h>

#include "base/util.h"
#include "export/view.h"

const struct view *const views[] = { &view_leaks,   &view_sites,   &view_peak, &view_timeline,
				     &view_sizes,   &view_threads, &view_ptr,  &view_misuse,
				     &view_orphans, &view_tree,	   &view_diff };
const size_t nr_views = ARRAY_SIZE(views);

const struct view *const exporters[] = { &exporter_folded, &exporter_callgrind,
					 &exporter_pprof,  &exporter_json,
					 &exporter_csv,	   &exporter_malloc_trace,
					 &exporter_sql };
const size_t nr_exporters = ARRAY_SIZE(exporters);

static const struct view *find(const struct view *const *all, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}

const struct view *view__find(const char *name)
{
	return find(views, nr_views, name);
}

const struct view *exporter__find(const char *name)
{
	return find(exporters, nr_exporters, name);
}
