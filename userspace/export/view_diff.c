// SPDX-License-Identifier: BSD-2-Clause
/* What grew between two recordings. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/util.h"
#include "export/json_parts.h"
#include "export/process_text.h"
#include "export/report_text.h"
#include "export/view.h"
#include "report/diff.h"

struct diff_state {
	struct model *models[2];
	struct profile *profiles[2]; /* NULL: not needed; the second is the caller's */
	const struct view_options *options;
	struct diff *diff;
};

static void *begin(struct model *model, const struct view_options *options)
{
	struct diff_state *state = xcalloc(1, sizeof(*state));

	*state = (struct diff_state){ .models = { model, options->other },
				      .profiles = { NULL, options->other_profile },
				      .options = options };
	if (options->report.cost != COST_LIVE)
		state->profiles[0] = profile__new(model);
	return state;
}

static const struct diff *build(struct diff_state *state)
{
	if (!state->diff)
		state->diff = diff__build(state->models, state->profiles, &state->options->report);
	return state->diff;
}

static int64_t change(uint64_t before, uint64_t after)
{
	return (int64_t)(after - before);
}

static const char *plural(int64_t nr)
{
	return nr == 1 || nr == -1 ? "" : "s";
}

static void write_site(const struct diff_site *site, FILE *out)
{
	int64_t blocks = change(site->before.blocks, site->after.blocks);

	fprintf(out, "%+" PRId64 " bytes (%+" PRId64 " block%s): %" PRIu64 " -> %" PRIu64 "%s\n",
		change(site->before.bytes, site->after.bytes), blocks, plural(blocks),
		site->before.bytes, site->after.bytes,
		!site->before.blocks  ? ", new"
		: !site->after.blocks ? ", gone"
				      : "");
	report_text__write_frames(site->entry->frames, site->entry->nr_frames, site->entry->cut,
				  out);
	fputc('\n', out);
}

static void write_sums(const struct diff_process *process, enum cost cost, FILE *out)
{
	static const char *const titles[] = { [COST_LIVE] = "Live",
					      [COST_PEAK] = "Peak",
					      [COST_TOTAL] = "Allocated",
					      [COST_TEMPORARY] = "Temporary" };
	const struct amount *before = &process->sum_before, *after = &process->sum_after;

	fprintf(out,
		"%s: %" PRIu64 " -> %" PRIu64 " bytes (%+" PRId64 "), %" PRIu64 " -> %" PRIu64
		" blocks (%+" PRId64 ").\n",
		titles[cost], before->bytes, after->bytes, change(before->bytes, after->bytes),
		before->blocks, after->blocks, change(before->blocks, after->blocks));
	fprintf(out, "Call sites: %zu grew, of them %zu new; %zu shrank, of them %zu gone.\n",
		process->nr_grown, process->nr_new, process->nr_shrunk, process->nr_gone);
	if (process->suppressed[0].blocks || process->suppressed[1].blocks)
		fprintf(out, "Suppressed: %" PRIu64 " -> %" PRIu64 " bytes.\n",
			process->suppressed[0].bytes, process->suppressed[1].bytes);
	if (process->nr_hidden)
		fprintf(out, "Not shown: %zu more %s.\n", process->nr_hidden,
			process->nr_hidden == 1 ? "entry" : "entries");
}

/* Both need not be, nor alike. */
static void write_sampled(const struct diff_state *state, FILE *out)
{
	static const char *const which[] = { "earlier", "later" };

	if (state->models[0]->sample_bytes == state->models[1]->sample_bytes) {
		report_text__write_sampled(state->models[0], out);
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		char *text = report_text__sampled(state->models[i]->sample_bytes);

		if (state->models[i]->sample_bytes)
			fprintf(out, "Sampled, the %s recording: %s.\n", which[i], text);
		free(text);
	}
}

static int write_text(void *data, FILE *out)
{
	struct diff_state *state = data;
	const struct diff *diff = build(state);

	if (!diff->processes[0].after)
		fprintf(out, "All processes, %zu and %zu, are added up.\n\n",
			diff->reports[0]->nr_processes, diff->reports[1]->nr_processes);
	for (size_t i = 0; i < diff->nr_processes; i++) {
		const struct diff_process *process = &diff->processes[i];

		if (diff->nr_processes > 1)
			process_text__heading(process->after, out);
		for (size_t k = 0; k < process->nr_sites; k++)
			write_site(&process->sites[k], out);
		write_sums(process, state->options->report.cost, out);
		if (diff->nr_processes > 1)
			fputc('\n', out);
	}
	write_sampled(state, out);
	fprintf(out, "Lost events: %" PRIu64 ", %" PRIu64 "%s\n", state->models[0]->nr_lost,
		state->models[1]->nr_lost,
		state->models[0]->nr_lost || state->models[1]->nr_lost
			? " (the figures above are incomplete)."
			: ".");
	return 0;
}

static void write_json_change(struct json *json, const struct amount *before,
			      const struct amount *after)
{
	json__int(json, "bytes", change(before->bytes, after->bytes));
	json__int(json, "blocks", change(before->blocks, after->blocks));
	json_parts__amount(json, "before", *before);
	json_parts__amount(json, "after", *after);
}

/* Of each recording; 0: every allocation is recorded. Nothing where it is both. */
static void write_json_sampled(struct json *json, const struct diff_state *state)
{
	const struct model *before = state->models[0], *after = state->models[1];

	if (!before->sample_bytes && !after->sample_bytes)
		return;
	json__object(json, "sample_bytes");
	json__uint(json, "before", before->sample_bytes);
	json__uint(json, "after", after->sample_bytes);
	json__end_object(json);
}

static void write_json_process(struct json *json, const struct diff_state *state,
			       const struct diff_process *process)
{
	if (process->after) {
		json_parts__process(json, process->after);
	} else {
		json__object(json, NULL);
		json__null(json, "target");
	}
	write_json_sampled(json, state);
	json__object(json, "sum");
	write_json_change(json, &process->sum_before, &process->sum_after);
	json__end_object(json);
	json__array(json, "sites");
	for (size_t i = 0; i < process->nr_sites; i++) {
		const struct diff_site *site = &process->sites[i];

		json__object(json, NULL);
		write_json_change(json, &site->before, &site->after);
		json_parts__frames(json, site->entry->frames, site->entry->nr_frames,
				   site->entry->cut);
		json__end_object(json);
	}
	json__end_array(json);
	json__end_object(json);
}

static int write_json(void *data, FILE *out)
{
	struct diff_state *state = data;
	const struct diff *diff = build(state);
	struct json json;

	json_parts__begin(&json, out, "diff", state->models[0]);
	for (size_t i = 0; i < diff->nr_processes; i++)
		write_json_process(&json, state, &diff->processes[i]);
	json_parts__end(&json);
	return 0;
}

/* The sites that grew. */
static size_t nr_entries(const void *data)
{
	const struct diff_state *state = data;

	return state->diff ? state->diff->nr_grown : 0;
}

static void free_state(void *data)
{
	struct diff_state *state = data;

	if (!state)
		return;
	diff__free(state->diff);
	profile__free(state->profiles[0]);
	free(state);
}

const struct view view_diff = {
	.name = "diff",
	.takes = VIEW_REPORT | VIEW_OLDER | VIEW_COST,
	.help = "what grew from one recording to another (two FILEs), by call site",
	.compares = true,
	.begin = begin,
	.write = write_text,
	.write_json = write_json,
	.nr_entries = nr_entries,
	.free = free_state,
};
