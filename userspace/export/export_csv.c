// SPDX-License-Identifier: BSD-2-Clause
/* A row for each event, written while they come: as CSV, or as malloc-trace wrote it. */
#include <stdlib.h>

#include "base/util.h"
#include "export/event_rows.h"

/* Of watching: names are looked up, and rows written, so often at most. */
#define INTERVAL_NS NSEC_PER_SEC

struct csv_state {
	struct eventlog *log;
	struct event_rows *rows;
	bool live;
	uint64_t written_ns;
};

static void *begin(struct model *model, const struct view_options *options, enum row_format format)
{
	struct event_rows *rows = event_rows__open(model, options, format);
	struct csv_state *state;

	if (!rows)
		return NULL;
	state = xcalloc(1, sizeof(*state));
	state->rows = rows;
	state->live = options->live;
	state->log = eventlog__new(model, event_rows__write, rows);
	eventlog__observe(state->log);
	return state;
}

static void *begin_csv(struct model *model, const struct view_options *options)
{
	return begin(model, options, ROWS_CSV);
}

static void *begin_malloc_trace(struct model *model, const struct view_options *options)
{
	return begin(model, options, ROWS_MALLOC_TRACE);
}

static int tick(void *data, uint64_t now_ns)
{
	struct csv_state *state = data;
	int err;

	if (state->live && now_ns - state->written_ns < INTERVAL_NS)
		return 0;
	state->written_ns = now_ns;
	err = eventlog__drain(state->log);
	return err ? err : event_rows__flush(state->rows);
}

static int finish(void *data)
{
	struct csv_state *state = data;
	int err = eventlog__drain(state->log), close_err = event_rows__close(state->rows);

	state->rows = NULL;
	return err ? err : close_err;
}

static bool names_first(const void *state)
{
	return true;
}

static void free_state(void *data)
{
	struct csv_state *state = data;

	event_rows__close(state->rows);
	eventlog__free(state->log);
	free(state);
}

const struct view exporter_csv = {
	.name = "csv",
	.takes = VIEW_HEAP | VIEW_DEPTH | VIEW_ROTATE,
	.of_events = true,
	.help = "a row for each event, for databases and spreadsheets",
	.begin = begin_csv,
	.tick = tick,
	.names_first = names_first,
	.write_files = finish,
	.free = free_state,
};

const struct view exporter_malloc_trace = {
	.name = "malloc-trace",
	.takes = VIEW_HEAP | VIEW_DEPTH | VIEW_ROTATE,
	.of_events = true,
	.help = "a row for each event, as Centreon's malloc-trace wrote it",
	.begin = begin_malloc_trace,
	.tick = tick,
	.names_first = names_first,
	.write_files = finish,
	.free = free_state,
};
