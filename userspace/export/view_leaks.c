// SPDX-License-Identifier: BSD-2-Clause
#include "export/export.h"
#include "export/report_state.h"

static int write_text(void *state, FILE *out)
{
	leaks_text__write(report_state__build(state), out);
	return 0;
}

static int write_json(void *state, FILE *out)
{
	leaks_json__write(report_state__build(state), out);
	return 0;
}

const struct view view_leaks = {
	.name = "leaks",
	.takes = VIEW_REPORT | VIEW_OLDER,
	.help = "what was allocated and not freed, by call path",
	.begin = report_state__begin,
	.write = write_text,
	.write_json = write_json,
	.nr_entries = report_state__nr_entries,
	.free = report_state__free,
};
