// SPDX-License-Identifier: BSD-2-Clause
/* A line a thread: what it allocated, freed and kept, and what went from one thread to another. */
#include <inttypes.h>

#include "base/util.h"
#include "export/event_state.h"
#include "export/json_parts.h"
#include "export/report_text.h"
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

static void write_moment(const struct event_state *state, uint64_t time_ns, FILE *out)
{
	uint64_t start_ns = min(state->model->start_ns, time_ns);

	if (time_ns)
		fprintf(out, " %11.6f", (double)(time_ns - start_ns) / NSEC_PER_SEC);
	else
		fprintf(out, " %11s", "-");
}

/* name: of the line. */
static void write_thread(const struct event_state *state, const struct activity_thread *thread,
			 const char *name, FILE *out)
{
	uint64_t nr = thread->total.blocks;

	fprintf(out,
		"%10s %12" PRIu64 " %15" PRIu64 " %12" PRIu64 " %12" PRIu64 " %15" PRIu64
		" %8.1f%% %10" PRIu64 " %10" PRIu64,
		name, nr, thread->total.bytes, thread->freed.blocks, thread->live.blocks,
		thread->live.bytes,
		nr ? 100.0 * (double)thread->temporary.blocks / (double)nr : 0.0,
		thread->by_others.blocks, thread->of_others.blocks);
	write_moment(state, thread->first_ns, out);
	write_moment(state, thread->last_ns, out);
	fputc('\n', out);
}

static void write_process(const struct event_state *state, const struct process *process, FILE *out)
{
	struct activity_process activity = activity__of(state->observer, process);
	size_t nr = nr_shown(state, &activity);
	char name[32];

	fprintf(out, "%10s %12s %15s %12s %12s %15s %9s %10s %10s %11s %11s\n", "thread",
		"allocations", "bytes", "frees", "live blocks", "live bytes", "temporary",
		"by others", "of others", "first s", "last s");
	for (size_t i = 0; i < nr; i++) {
		const struct activity_thread *thread = &activity.threads[i];

		snprintf(name, sizeof(name), "%" PRIu32, thread->tid);
		write_thread(state, thread, thread->tid ? name : "others", out);
	}
	snprintf(name, sizeof(name), "all %zu", activity.nr_threads);
	write_thread(state, &activity.sum, name, out);
	if (nr < activity.nr_threads)
		fprintf(out, "Not shown: %zu more thread%s.\n", activity.nr_threads - nr,
			activity.nr_threads - nr == 1 ? "" : "s");
}

static int write_text(void *data, FILE *out)
{
	const struct event_state *state = data;
	const struct model *model = state->model;

	fputs("By others: blocks of the thread that other threads freed. Of others: what it freed "
	      "of theirs.\n\n",
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
	.takes = VIEW_HEAP | VIEW_TOP,
	.of_events = true,
	.help = "what each thread allocated, freed and kept, and what others freed of it",
	.begin = begin,
	.write = write_text,
	.write_json = write_json,
	.free = event_state__free,
};
