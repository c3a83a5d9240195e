// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files in the Callgrind format, one a process, and beside them, where asked for: one for each
 * slice of time, and a table of how much was live when.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/output.h"
#include "base/util.h"
#include "export/callgrind_names.h"
#include "export/callgrind_text.h"
#include "export/report_state.h"
#include "report/call_graph.h"
#include "report/samples.h"
#include "report/selection.h"
#include "report/slices.h"

/* Files at most: what is more was not meant, and no folder likes it. */
#define MAX_FILES 10000
/* Lines of a table of samples at most. */
#define MAX_ROWS 1000000

struct callgrind_state {
	struct report_state *report_state;
	const struct view_options *options;
	struct slices *slices;	 /* NULL: none are wanted */
	struct samples *samples; /* likewise */
};

static void *begin(struct model *model, const struct view_options *options)
{
	bool to_stdout = options->path && !strcmp(options->path, "-");
	struct callgrind_state *state;

	if (to_stdout && (options->slice_ns || options->sample_ns)) {
		log_err("Slices and samples are files beside the main one, which cannot be "
			"standard "
			"output then: name it by --output FILE, or leave that to heaptap.");
		return NULL;
	}
	state = xcalloc(1, sizeof(*state));
	state->options = options;
	state->report_state = report_state__begin(model, options);
	if (options->slice_ns)
		state->slices = slices__new(model, options->slice_ns);
	if (options->sample_ns)
		state->samples = samples__new(model, options->sample_ns);
	return state;
}

static const char *describe_cost(enum cost cost)
{
	static const char *const texts[NR_COSTS] = {
		[COST_LIVE] = "what is live at the end",
		[COST_PEAK] = "what was live at the peak",
		[COST_TOTAL] = "all that was allocated",
		[COST_TEMPORARY] = "what was freed before its thread's next allocation",
		[COST_FREED] = "what was freed",
	};

	return texts[cost];
}

/* A graph to a file of that name; the graph is freed. */
static int write_graph(struct call_graph *graph, const struct callgrind_head *head,
		       const char *path)
{
	struct output *output = output__open(path);
	int err = -EIO;

	if (output) {
		callgrind_text__write(graph, head, output__stream(output));
		err = output__commit(output);
	}
	call_graph__free(graph);
	return err;
}

static int write_process(const struct report *report, const struct process_report *process,
			 const char *path)
{
	struct call_graph *graph = call_graph__new();
	struct callgrind_head head = { .model = report->model,
				       .process = process->process,
				       .cost = describe_cost(report->cost),
				       .nr_not_shown = process->nr_hidden };
	struct amount shown;

	for (size_t i = 0; i < process->nr_entries; i++) {
		const struct report_entry *entry = &process->entries[i];

		call_graph__add(graph, entry->frames, entry->nr_frames,
				entry->costs.of[report->cost]);
	}
	shown = call_graph__sum(graph);
	head.not_shown.bytes = process->sums.of[report->cost].bytes - shown.bytes;
	head.not_shown.blocks = process->sums.of[report->cost].blocks - shown.blocks;
	return write_graph(graph, &head, path);
}

static void add_slice_site(const struct callgrind_state *state, const struct process *process,
			   const struct slice_site *site, struct call_graph *graph)
{
	const struct report_options *options = &state->options->report;
	struct frames frames =
		frames__of(state->report_state->model, process->space, site->stack, UINT64_MAX);
	/* Slices do not keep which function was called; most often, and in most rules, it is this.
	 */
	struct judgement judgement =
		selection__judge(options->selection, frames.frames, frames.nr, "malloc");

	if (options->depth)
		frames.nr = (uint32_t)min((uint64_t)frames.nr, options->depth);
	if (judgement.verdict == WANTED)
		call_graph__add(graph, frames.frames, frames.nr, site->live);
	frames__clear(&frames);
}

static void resolve(struct model *model, const struct slice_site *sites, size_t nr)
{
	uint32_t *stacks = xcalloc(nr, sizeof(*stacks));

	for (size_t i = 0; i < nr; i++)
		stacks[i] = sites[i].stack;
	model__resolve_stacks(model, model->stacks, stacks, nr, NULL, NULL);
	free(stacks);
}

static int write_slices(const struct callgrind_state *state, const struct process *process,
			const struct callgrind_names *names)
{
	uint64_t length_s = state->options->slice_ns / NSEC_PER_SEC;
	uint64_t nr_slices = slices__count(state->slices, process);
	struct callgrind_head head = { .model = state->report_state->model, .process = process };
	const struct slice_site *sites;
	size_t nr, at = 0;
	int err = 0;

	sites = slices__of(state->slices, process, &nr);
	resolve(state->report_state->model, sites, nr);
	for (uint64_t slice = 0; slice < nr_slices && !err; slice++) {
		struct call_graph *graph = call_graph__new();
		char *path = callgrind_names__slice(names, slice, length_s);
		char *cost = xasprintf("what is live at the end and was allocated from %" PRIu64
				       " s until %" PRIu64 " s after the watching began",
				       slice * length_s, (slice + 1) * length_s);

		for (; at < nr && sites[at].slice == slice; at++)
			add_slice_site(state, process, &sites[at], graph);
		head.cost = cost;
		err = write_graph(graph, &head, path);
		free(cost);
		free(path);
	}
	return err;
}

static void write_row(FILE *out, uint64_t seconds, struct amount live)
{
	fprintf(out, "%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", seconds, live.blocks, live.bytes);
}

/* Those of libdumpalloc's readalloc: people have scripts that plot them. */
static int write_samples(const struct callgrind_state *state, const struct process *process,
			 const char *path)
{
	struct samples_process samples = samples__of(state->samples, process);
	uint64_t interval_s = state->options->sample_ns / NSEC_PER_SEC;
	uint64_t end_s = samples.last_ns / NSEC_PER_SEC;
	struct output *output = output__open(path);

	if (!output)
		return -EIO;
	fputs("# Runtime\tAlloc Count\tTotal Bytes\n", output__stream(output));
	for (size_t i = 0; i < samples.nr_runs; i++) {
		uint64_t end =
			i + 1 < samples.nr_runs ? samples.runs[i + 1].first : samples.nr_moments;

		for (uint64_t k = samples.runs[i].first; k < end; k++)
			write_row(output__stream(output), k * interval_s, samples.runs[i].live);
	}
	/* The last step is seldom a whole one. */
	if (samples.nr_runs && end_s > (samples.nr_moments - 1) * interval_s)
		write_row(output__stream(output), end_s, samples.live);
	return output__commit(output);
}

static int write_files_of(const struct callgrind_state *state, const struct report *report,
			  size_t i, const struct callgrind_names *names)
{
	const struct process *process = report->processes[i].process;
	int err = write_process(report, &report->processes[i], names->main);

	if (!err && state->samples)
		err = write_samples(state, process, names->samples);
	if (!err && state->slices)
		err = write_slices(state, process, names);
	if (err || state->options->path)
		return err;
	log_warn("The output is %s.", names->main);
	if (state->samples)
		log_warn("The samples are %s.", names->samples);
	if (state->slices)
		log_warn("The slices are %s_slice_*.", names->main);
	return 0;
}

/* Before anything is written: is it all reasonable? */
static int check_size(const struct callgrind_state *state, const struct report *report,
		      const struct callgrind_names *names)
{
	uint64_t nr_files = 0, nr_rows = 0;

	for (size_t i = 0; i < report->nr_processes && nr_files <= MAX_FILES; i++) {
		const struct process *process = report->processes[i].process;

		if (!names[i].main)
			continue;
		nr_files++;
		if (state->slices)
			nr_files += min(slices__count(state->slices, process), MAX_FILES + 1u);
		if (state->samples)
			nr_rows = max(nr_rows, samples__of(state->samples, process).nr_moments);
	}
	if (nr_rows > MAX_ROWS || (state->samples && samples__overflowed(state->samples))) {
		log_err("At that interval there would be more than a million samples. Name a "
			"longer "
			"--sample-interval-secs.");
		return -E2BIG;
	}
	if (nr_files > MAX_FILES) {
		log_err("That would be more than %u files. %s.", MAX_FILES,
			state->slices ? "Name a longer --time-slice-interval-secs"
				      : "Choose fewer processes, by --min-bytes for instance");
		return -E2BIG;
	}
	if (nr_files > 1 && state->options->path && !strcmp(state->options->path, "-")) {
		log_err("There are several processes, which are files of their own in this format: "
			"they cannot go to standard output. Name a file by --output, or none.");
		return -EINVAL;
	}
	return 0;
}

static int write_files(void *data)
{
	struct callgrind_state *state = data;
	const struct report *report = report_state__build(state->report_state);
	struct callgrind_names *names = callgrind_names__make(report, state->options->path);
	int err = check_size(state, report, names);

	log__progress(NULL);
	for (size_t i = 0; i < report->nr_processes && !err; i++)
		if (names[i].main)
			err = write_files_of(state, report, i, &names[i]);
	callgrind_names__free(names, report->nr_processes);
	return err;
}

static size_t nr_entries(const void *data)
{
	const struct callgrind_state *state = data;

	return report_state__nr_entries(state->report_state);
}

static void free_state(void *data)
{
	struct callgrind_state *state = data;

	if (!state)
		return;
	slices__free(state->slices);
	samples__free(state->samples);
	report_state__free(state->report_state);
	free(state);
}

const struct view exporter_callgrind = {
	.name = "callgrind",
	.takes = VIEW_REPORT | VIEW_OLDER | VIEW_COST | VIEW_SLICES,
	.help = "for KCachegrind and callgrind_annotate: who called whom to allocate",
	.suffix = "",
	.begin = begin,
	.write_files = write_files,
	.nr_entries = nr_entries,
	.free = free_state,
};
