// SPDX-License-Identifier: BSD-2-Clause
#include "export/event_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/log.h"
#include "base/rowfile.h"
#include "base/util.h"
#include "export/cells.h"
#include "export/report_text.h"
#include "export/stack_json.h"
#include "report/function_name.h"

#define NSEC_PER_MSEC 1000000u

struct event_rows {
	struct model *model;
	const struct view_options *options;
	struct rowfile *file;
	enum row_format format;
	struct csv_row row, scratch;
	struct cells stacks;	/* by index; note: it is cut */
	struct cells functions; /* by number: name and family, or malloc-trace's name */
	struct cells programs;	/* by the pointer of the exe: name, build-id; note: modules then */
	bool began;		/* it is known which columns there are */
	bool weighted;
	bool warned_processes;
};

#define COLUMNS                                                        \
	"time_ns,time_ms,pid,tid,comm,build_id,event,function,family," \
	"address,address_hex,size,old_address,old_size,stack_cut,stack"

const char event_rows__header[] = COLUMNS "\n";
const char event_rows__weighted_header[] = COLUMNS ",weight\n";

struct event_rows *event_rows__open(struct model *model, const struct view_options *options,
				    enum row_format format)
{
	const struct csv_dialect *dialect = format == ROWS_CSV ? &csv_rfc4180 : &csv_malloc_trace;
	struct event_rows *rows;
	struct rowfile *file = rowfile__open(
		&(struct rowfile_options){ .path = options->path,
					   .header = format == ROWS_CSV ? event_rows__header : NULL,
					   .rotate_bytes = options->rotate_bytes,
					   .keep = options->rotate_keep,
					   .persist = options->live });

	if (!file)
		return NULL;
	rows = xcalloc(1, sizeof(*rows));
	rows->model = model;
	rows->options = options;
	rows->file = file;
	rows->format = format;
	rows->row.dialect = rows->scratch.dialect = dialect;
	return rows;
}

/* The fields in scratch, as a cell. */
static const struct cell *keep(struct event_rows *rows, struct cells *cells, uint64_t key,
			       uint64_t note)
{
	return cells__add(cells, key, rows->scratch.text, rows->scratch.len, note);
}

static const struct cell *stack_cell(struct event_rows *rows, uint32_t stack)
{
	const struct cell *cell = cells__find(&rows->stacks, stack);
	struct frames frames;
	bool cut = false;
	char *text;

	if (cell)
		return cell;
	frames = frames__of(rows->model, NULL, stack, 0);
	if (rows->format == ROWS_CSV)
		text = stack_json__make(&frames, rows->options->report.depth, &cut);
	else
		text = stack_json__make_malloc_trace(&frames, rows->options->report.depth);
	frames__clear(&frames);
	csv_row__begin(&rows->scratch);
	csv_row__quoted(&rows->scratch, text, strlen(text));
	free(text);
	return keep(rows, &rows->stacks, stack, cut);
}

static const struct cell *function_cell(struct event_rows *rows, uint16_t func)
{
	const struct cell *cell = cells__find(&rows->functions, func);
	const struct function *function;
	char *name;

	if (cell)
		return cell;
	function = functions__find(rows->model->functions, func);
	name = function_name__make(rows->model->functions, func);
	csv_row__begin(&rows->scratch);
	csv_row__text(&rows->scratch, name);
	csv_row__text(&rows->scratch, function ? function->family : NULL);
	free(name);
	return keep(rows, &rows->functions, func, 0);
}

/* The build-id of a program, in hex; "" as long as its file is not known. */
static void find_build_id(const struct modmap *modmap, const char *exe, char *hex)
{
	*hex = '\0';
	for (uint32_t i = 0; exe && i < modmap__nr_modules(modmap); i++) {
		const struct module *module = modmap__module(modmap, i);

		if (strcmp(module->path, exe))
			continue;
		for (uint32_t k = 0; k < module->build_id_len; k++) {
			*hex++ = "0123456789abcdef"[module->build_id[k] >> 4];
			*hex++ = "0123456789abcdef"[module->build_id[k] & 15];
		}
		*hex = '\0';
		return;
	}
}

static const struct cell *program_cell(struct event_rows *rows, const char *exe)
{
	uint32_t nr_modules = modmap__nr_modules(rows->model->modmap);
	/* What came to nothing is looked for again when there are more files. */
	uint64_t key = hash__u64((uintptr_t)exe) ^ nr_modules;
	const struct cell *cell = cells__find(&rows->programs, (uintptr_t)exe);
	char build_id[2 * MODULE_MAX_BUILD_ID + 1];

	if (!cell)
		cell = cells__find(&rows->programs, key);
	if (cell)
		return cell;
	find_build_id(rows->model->modmap, exe, build_id);
	csv_row__begin(&rows->scratch);
	csv_row__text(&rows->scratch, exe ? path__base(exe) : NULL);
	csv_row__raw(&rows->scratch, build_id, strlen(build_id));
	return keep(rows, &rows->programs, *build_id ? (uintptr_t)exe : key, 0);
}

static void put_cell(struct csv_row *row, const struct cell *cell)
{
	csv_row__raw(row, cell->text, cell->len);
}

static const char *const kind_names[] = {
	[LOGGED_ALLOC] = "alloc",
	[LOGGED_FREE] = "free",
	[LOGGED_UNKNOWN_FREE] = "unknown_free",
	[LOGGED_REPLACED] = "replaced",
	[LOGGED_FAILED] = "failed",
	[LOGGED_EXEC] = "exec",
	[LOGGED_END] = "end",
	[LOGGED_FORK] = "fork",
};

static void put_own(struct event_rows *rows, const struct logged_event *event)
{
	uint64_t time_ns = anchor__realtime_ns(&rows->model->anchor, event->time_ns);
	const struct cell *stack = stack_cell(rows, event->stack);
	struct csv_row *row = &rows->row;
	const char *kind = kind_names[event->kind];

	csv_row__uint(row, time_ns);
	csv_row__uint(row, time_ns / NSEC_PER_MSEC);
	csv_row__uint(row, event->process->pid);
	csv_row__uint(row, event->tid);
	put_cell(row, program_cell(rows, event->exe));
	csv_row__raw(row, kind, strlen(kind));
	if (logged_event__is_of_process(event))
		csv_row__raw(row, ",", 1);
	else
		put_cell(row, function_cell(rows, event->func));
	csv_row__uint(row, event->addr);
	csv_row__hex(row, event->addr);
	csv_row__uint(row, event->bytes);
	csv_row__uint(row, event->old_addr);
	csv_row__uint(row, event->old_bytes);
	csv_row__uint(row, stack->note);
	put_cell(row, stack);
	if (rows->weighted)
		csv_row__uint(row, event->weight);
}

/* malloc-trace knows five calls; others go by the name of what they are most like. NULL: it writes
 * no such row. */
static const char *malloc_trace_name(const struct event_rows *rows,
				     const struct logged_event *event)
{
	const struct function *function;

	if (event->kind == LOGGED_FAILED || logged_event__is_of_process(event))
		return NULL;
	if (event->kind != LOGGED_ALLOC)
		return event->by_realloc ? "freerealloc" : "free";
	if (event->by_realloc)
		return "realloc";
	function = functions__find(rows->model->functions, event->func);
	if (function && strstr(function->symbol, "realloc"))
		return "realloc";
	return function && strstr(function->symbol, "calloc") ? "calloc" : "malloc";
}

static bool put_malloc_trace(struct event_rows *rows, const struct logged_event *event)
{
	const char *name = malloc_trace_name(rows, event);
	struct csv_row *row = &rows->row;

	if (!name)
		return false;
	csv_row__quoted(row, name, strlen(name));
	csv_row__uint(row, event->tid);
	csv_row__uint(row, event->addr);
	csv_row__uint(row, event->kind == LOGGED_ALLOC ? event->bytes : 0);
	csv_row__uint(row,
		      anchor__realtime_ns(&rows->model->anchor, event->time_ns) / NSEC_PER_MSEC);
	put_cell(row, stack_cell(rows, event->stack));
	return true;
}

static void warn_of_processes(struct event_rows *rows)
{
	if (rows->format != ROWS_MALLOC_TRACE || rows->warned_processes ||
	    rows->model->nr_processes < 2)
		return;
	rows->warned_processes = true;
	log_warn("malloc-trace's rows do not say which process they are of, and there are "
		 "several: equal addresses are mixed up. csv tells them apart.");
}

/* When it is known what is watched: is that sampled? False: nothing is known yet. */
static bool begin(struct event_rows *rows)
{
	if (rows->began || !rows->model->start_ns)
		return rows->began;
	rows->began = true;
	rows->weighted = rows->format == ROWS_CSV && rows->model->sample_bytes;
	if (rows->weighted)
		rowfile__set_header(rows->file, event_rows__weighted_header);
	return true;
}

int event_rows__write(const struct logged_event *event, void *data)
{
	struct event_rows *rows = data;

	begin(rows);
	warn_of_processes(rows);
	csv_row__begin(&rows->row);
	if (rows->format == ROWS_CSV)
		put_own(rows, event);
	else if (!put_malloc_trace(rows, event))
		return 0;
	csv_row__end(&rows->row);
	return rowfile__append(rows->file, rows->row.text, rows->row.len);
}

int event_rows__flush(struct event_rows *rows)
{
	/* The header must wait. */
	return begin(rows) ? rowfile__flush(rows->file) : 0;
}

static void warn_of_sampling(const struct event_rows *rows)
{
	char *sampled = report_text__sampled(rows->model->sample_bytes);

	if (rows->weighted)
		log_warn("Sampled: %s. Each row stands for as many like it as its column weight "
			 "says.",
			 sampled);
	else if (rows->model->sample_bytes)
		log_warn("Sampled: %s. These rows do not say how many like them each stands for.",
			 sampled);
	free(sampled);
}

int event_rows__close(struct event_rows *rows)
{
	int err;

	if (!rows)
		return 0;
	begin(rows);
	warn_of_sampling(rows);
	err = rowfile__close(rows->file);
	if (rows->model->nr_lost)
		log_warn("%" PRIu64 " events were lost: rows are missing. --ring-size or "
			 "--lossless helps.",
			 rows->model->nr_lost);
	csv_row__clear(&rows->row);
	csv_row__clear(&rows->scratch);
	cells__clear(&rows->stacks);
	cells__clear(&rows->functions);
	cells__clear(&rows->programs);
	free(rows);
	return err;
}
