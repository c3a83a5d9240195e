// SPDX-License-Identifier: BSD-2-Clause
/* A line a thread: what it allocated, freed and kept, and what went from one thread to another. */
#include <inttypes.h>

#include "base/util.h"
#include "export/event_state.h"
#include "export/json_parts.h"
#include "export/report_text.h"
#include "export/screen.h"
#include "export/table.h"
#include "report/activity.h"

static void free_observer(void *activity)
{
	activity__free(activity);
}

static void *begin(struct model *model, const struct view_options *options)
{
	return event_state__new(model, options, activity__new(model), free_observer);
}

static size_t nr_shown(const struct event_state *state, const struct activity_process *process)
{
	uint64_t top = state->options->report.top;

	return top ? min(process->nr_threads, top) : process->nr_threads;
}

static void add_moment(struct table *table, const struct event_state *state, uint64_t time_ns)
{
	uint64_t start_ns = min(state->model->start_ns, time_ns);

	if (time_ns)
		table__cell(table, "%.6f", (double)(time_ns - start_ns) / NSEC_PER_SEC);
	else
		table__cell(table, "-");
}

/* name: of the line. */
static void add_thread(struct table *table, const struct event_state *state,
		       const struct activity_thread *thread, const char *name)
{
	uint64_t nr = thread->total.blocks;

	table__cell(table, "%s", name);
	table__cell(table, "%" PRIu64, nr);
	table__cell(table, "%" PRIu64, thread->total.bytes);
	table__cell(table, "%" PRIu64, thread->freed.blocks);
	table__cell(table, "%" PRIu64, thread->live.blocks);
	table__cell(table, "%" PRIu64, thread->live.bytes);
	table__cell(table, "%.1f%%",
		    nr ? 100.0 * (double)thread->temporary.blocks / (double)nr : 0.0);
	table__cell(table, "%" PRIu64, thread->by_others.blocks);
	table__cell(table, "%" PRIu64, thread->of_others.blocks);
	add_moment(table, state, thread->first_ns);
	add_moment(table, state, thread->last_ns);
}

static void write_process(const struct event_state *state, const struct process *process, FILE *out)
{
	static const char *const headings[] = { "thread",    "allocations", "bytes",
						"frees",     "live blocks", "live bytes",
						"temporary", "by others",   "of others",
						"first s",   "last s" };
	struct activity_process activity = activity__of(state->observer, process);
	struct table *table = table__new(headings, ARRAY_SIZE(headings), 1);
	struct screen screen = screen__of(out, state->options->width);
	size_t nr = nr_shown(state, &activity);
	char name[32];

	for (size_t i = 0; i < nr; i++) {
		const struct activity_thread *thread = &activity.threads[i];

		snprintf(name, sizeof(name), "%" PRIu32, thread->tid);
		add_thread(table, state, thread, thread->tid ? name : "others");
	}
	snprintf(name, sizeof(name), "all %zu", activity.nr_threads);
	add_thread(table, state, &activity.sum, name);
	table__write(table, &screen);
	table__free(table);
	if (nr < activity.nr_threads)
		fprintf(out, "Not shown: %zu more thread%s.\n", activity.nr_threads - nr,
			activity.nr_threads - nr == 1 ? "" : "s");
}

static int write_text(void *data, FILE *out)
{
	const struct event_state *state = data;
	const struct model *model = state->model;

	fputs("By others: blocks of the thread that other threads freed.\n"
	      "Of others: what it freed of theirs.\n\n",
	      out);
	event_state__write_text(state, out, write_process);
	report_text__write_temporary(model, out);
	report_text__write_lost(model, out);
	return 0;
}

static void write_json_moment(struct json *json, const char *name, const struct event_state *state,
			      uint64_t time_ns)
{
	if (time_ns)
		json_parts__seconds(json, name, time_ns - min(state->model->start_ns, time_ns));
	else
		json__null(json, name);
}

static void write_json_members(struct json *json, const struct event_state *state,
			       const struct activity_thread *thread)
{
	const struct {
		const char *name;
		struct amount amount;
	} amounts[] = {
		{ "allocated", thread->total },
		{ "freed", thread->freed },
		{ "live", thread->live },
		{ "temporary", thread->temporary },
		{ "freed_by_others", thread->by_others },
		{ "freed_of_others", thread->of_others },
	};

	for (size_t i = 0; i < ARRAY_SIZE(amounts); i++)
		json_parts__amount(json, amounts[i].name, amounts[i].amount);
	json__uint(json, "failed_allocations", thread->nr_failed);
	write_json_moment(json, "first_seconds", state, thread->first_ns);
	write_json_moment(json, "last_seconds", state, thread->last_ns);
}

static void write_json_process(const struct event_state *state, const struct process *process,
			       struct json *json)
{
	struct activity_process activity = activity__of(state->observer, process);

	json__object(json, "sum");
	write_json_members(json, state, &activity.sum);
	json__end_object(json);
	json__uint(json, "nr_threads", activity.nr_threads);
	json__array(json, "threads");
	for (size_t i = 0; i < nr_shown(state, &activity); i++) {
		const struct activity_thread *thread = &activity.threads[i];

		json__object(json, NULL);
		if (thread->tid)
			json__uint(json, "tid", thread->tid);
		else
			json__null(json, "tid");
		write_json_members(json, state, thread);
		json__end_object(json);
	}
	json__end_array(json);
}

static int write_json(void *data, FILE *out)
{
	event_state__write_json(data, out, "threads", write_json_process);
	return 0;
}

const struct view view_threads = {
	.name = "threads",
	.takes = VIEW_HEAP | VIEW_TOP | VIEW_WIDTH,
	.of_events = true,
	.help = "what each thread allocated, freed and kept, and what others freed of it",
	.begin = begin,
	.write = write_text,
	.write_json = write_json,
	.free = event_state__free,
};
