// SPDX-License-Identifier: BSD-2-Clause
/* What a program does with its heap that it should not, the most severe first. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "export/event_parts.h"
#include "export/json_parts.h"
#include "export/process_text.h"
#include "export/report_text.h"
#include "export/view.h"
#include "report/misuse.h"

/* Reallocs of one block that are worth a line, and sites that copy most, which are, too. */
#define LONG_CHAIN 16
#define NR_COPYING 10

struct state {
	struct model *model;
	struct misuse *misuse;
	const struct view_options *options;
	size_t nr_errors;
	bool resolved;
};

static const struct {
	const char *title, *json;
} kinds[] = {
	[MISUSE_DOUBLE_FREE] = { "Double frees", "double_frees" },
	[MISUSE_INVALID_FREE] = { "Frees of what was never allocated", "invalid_frees" },
	[MISUSE_MISMATCH] = { "Frees by the wrong function", "mismatches" },
	[MISUSE_FAILED] = { "Failed allocations", "failed_allocations" },
	[MISUSE_REALLOC] = { "Reallocs; here are long rows of them, and what copies most",
			     "reallocs" },
	[MISUSE_ZERO_SIZE] = { "Allocations of 0 bytes", "zero_size" },
	[MISUSE_FOREIGN_FREE] = { "Note: freed by another thread than allocated", "foreign_frees" },
};
_Static_assert(ARRAY_SIZE(kinds) == NR_MISUSE_KINDS, "one of each kind");

static void *begin(struct model *model, const struct view_options *options)
{
	struct misuse *misuse = misuse__new(model);
	struct state *state;

	if (!misuse) {
		log_err("There is no memory for a list of what was freed: %s.", strerror(errno));
		return NULL;
	}
	state = xcalloc(1, sizeof(*state));
	*state = (struct state){ model, misuse, options, 0, false };
	return state;
}

static void free_state(void *data)
{
	struct state *state = data;

	if (!state)
		return;
	misuse__free(state->misuse);
	free(state);
}

static size_t nr_entries(const void *data)
{
	return ((const struct state *)data)->nr_errors;
}

/* Blocks that grow now and then are no misuse. */
static bool is_shown(enum misuse_kind kind, const struct misuse_site *site, size_t rank)
{
	return kind != MISUSE_REALLOC || site->max_chain >= LONG_CHAIN ||
	       (rank < NR_COPYING && site->copied_bytes);
}

static size_t nr_shown(const struct state *state, enum misuse_kind kind,
		       const struct misuse_list *list)
{
	uint64_t top = state->options->report.top;
	size_t nr = 0;

	for (size_t i = 0; i < list->nr_sites; i++)
		nr += is_shown(kind, &list->sites[i], i);
	return top ? min(nr, top) : nr;
}

static void add_stacks(const struct misuse_process *misuse, uint32_t **stacks, size_t *nr,
		       size_t *capacity)
{
	for (unsigned i = 0; i < NR_MISUSE_KINDS; i++)
		for (size_t k = 0; k < misuse->lists[i].nr_sites; k++) {
			if (!is_shown(i, &misuse->lists[i].sites[k], k))
				continue;
			*stacks = array__grow(*stacks, *nr, capacity, sizeof(**stacks));
			(*stacks)[(*nr)++] = misuse->lists[i].sites[k].stack;
			*stacks = array__grow(*stacks, *nr, capacity, sizeof(**stacks));
			(*stacks)[(*nr)++] = misuse->lists[i].sites[k].free_stack;
		}
}

/* The names of all that is shown, and how many errors there are. */
static void resolve(struct state *state)
{
	struct model *model = state->model;
	uint32_t *stacks = NULL;
	size_t nr = 0, capacity = 0;

	if (state->resolved)
		return;
	state->resolved = true;
	for (size_t i = 0; i < model->nr_processes; i++) {
		struct misuse_process misuse = misuse__of(state->misuse, model->processes[i]);

		state->nr_errors += misuse.nr_errors;
		add_stacks(&misuse, &stacks, &nr, &capacity);
	}
	model__resolve_stacks(model, model->stacks, stacks, nr, state->options->report.progress,
			      state->options->report.progress_data);
	free(stacks);
}

static void write_function(const struct state *state, const char *before, uint16_t func, FILE *out)
{
	fputs(before, out);
	event_parts__write_function(state->model, func, out);
}

static void write_functions(const struct state *state, enum misuse_kind kind,
			    const struct misuse_site *site, FILE *out)
{
	switch (kind) {
	case MISUSE_DOUBLE_FREE:
		write_function(state, " allocated by ", site->func, out);
		write_function(state, ", freed by ", site->func_before, out);
		write_function(state, " and again by ", site->free_func, out);
		break;
	case MISUSE_INVALID_FREE:
		write_function(state, " freed by ", site->free_func, out);
		break;
	case MISUSE_MISMATCH:
	case MISUSE_FOREIGN_FREE:
		write_function(state, " allocated by ", site->func, out);
		write_function(state, ", freed by ", site->free_func, out);
		break;
	default:
		write_function(state, " by ", site->func, out);
	}
}

/* The first of a site. */
static void write_example(const struct state *state, enum misuse_kind kind,
			  const struct misuse_site *site, FILE *out)
{
	fputs(site->sum.blocks > 1 ? "; the first:" : ":", out);
	if (site->addr)
		fprintf(out, " 0x%" PRIx64, site->addr);
	fprintf(out, " in thread %" PRIu32 " ", site->tid);
	event_parts__write_moment(state->model, site->time_ns, out);
	if (site->time_before_ns) {
		fputs(kind == MISUSE_DOUBLE_FREE ? "; freed before" : "; allocated", out);
		if (site->tid_before)
			fprintf(out, " in thread %" PRIu32, site->tid_before);
		fputc(' ', out);
		event_parts__write_moment(state->model, site->time_before_ns, out);
	}
	fputc('\n', out);
}

static void write_site(const struct state *state, const struct process *process,
		       enum misuse_kind kind, const struct misuse_site *site, FILE *out)
{
	uint64_t nr = site->sum.blocks;

	fprintf(out, "%" PRIu64 " time%s", nr, nr == 1 ? "" : "s");
	if (site->sum.bytes)
		fprintf(out, ", %" PRIu64 " bytes", site->sum.bytes);
	if (kind == MISUSE_FAILED && nr > 1)
		fprintf(out, ", at most %" PRIu64 " at once", site->max_bytes);
	if (site->nr_injected)
		fprintf(out, ", %" PRIu64 " injected", site->nr_injected);
	if (kind == MISUSE_REALLOC)
		fprintf(out,
			", one block %" PRIu64 " times; %" PRIu64 " moved and copied %" PRIu64
			" bytes, grown by %" PRIu64 " on average",
			site->max_chain, site->nr_moved, site->copied_bytes,
			site->grown_bytes / nr);
	if (site->nr_unsure)
		fprintf(out, ", %" PRIu64 " not sure", site->nr_unsure);
	fputc(',', out);
	write_functions(state, kind, site, out);
	write_example(state, kind, site, out);
	event_parts__write_stack(state->model, process, site->stack, site->time_ns,
				 state->options->report.depth, out);
	if (site->free_stack) {
		fputs("freed there, the first time:\n", out);
		event_parts__write_stack(state->model, process, site->free_stack, site->time_ns,
					 state->options->report.depth, out);
	}
	fputc('\n', out);
}

static void write_list(const struct state *state, const struct process *process,
		       enum misuse_kind kind, const struct misuse_list *list, FILE *out)
{
	size_t nr = nr_shown(state, kind, list), shown = 0;

	if (!nr && !list->nr_elsewhere)
		return;
	fprintf(out, "%s: %" PRIu64 "\n\n", kinds[kind].title, list->sum.blocks);
	for (size_t i = 0; i < list->nr_sites && shown < nr; i++) {
		if (!is_shown(kind, &list->sites[i], i))
			continue;
		write_site(state, process, kind, &list->sites[i], out);
		shown++;
	}
	if (shown < list->nr_sites)
		fprintf(out, "(%zu more places)\n\n", list->nr_sites - shown);
	if (list->nr_elsewhere)
		fprintf(out, "(%" PRIu64 " more, at more places than are told apart)\n\n",
			list->nr_elsewhere);
}

/* Is it a kind that a sample of the allocations says nothing of? */
static bool is_unknown(const struct process *process, enum misuse_kind kind)
{
	return process->sample_bytes && kind <= MISUSE_INVALID_FREE;
}

static void write_sampled(const struct misuse_list *lists, FILE *out)
{
	fprintf(out, "Errors: %" PRIu64 " frees by the wrong function.\n",
		lists[MISUSE_MISMATCH].sum.blocks);
	fputs("Double frees and frees of what was never allocated cannot be found in a sampled "
	      "recording: it has no frees but of recorded blocks. Reallocs are found where both "
	      "blocks were recorded, so there are more of them; small blocks seldom are.\n",
	      out);
}

static void write_summary(const struct process *process, const struct misuse_process *misuse,
			  FILE *out)
{
	const struct misuse_list *lists = misuse->lists;
	bool any = lists[MISUSE_DOUBLE_FREE].sum.blocks || lists[MISUSE_INVALID_FREE].sum.blocks;

	if (process->sample_bytes) {
		write_sampled(lists, out);
		return;
	}
	fprintf(out,
		"Errors: %" PRIu64 " double frees, %" PRIu64 " frees of what was never allocated, "
		"%" PRIu64 " frees by the wrong function.\n",
		lists[MISUSE_DOUBLE_FREE].sum.blocks, lists[MISUSE_INVALID_FREE].sum.blocks,
		lists[MISUSE_MISMATCH].sum.blocks);
	if (misuse->nr_older)
		fprintf(out, "Frees of blocks older than the attach: %" PRIu64 ".\n",
			misuse->nr_older);
	if (misuse->doubtful && any)
		fputs("heaptap may be missing an allocator (`heaptap leaks` says more): the first "
		      "two kinds are not sure, and do not count as errors.\n",
		      out);
	if (lists[MISUSE_DOUBLE_FREE].nr_unsure || lists[MISUSE_INVALID_FREE].nr_unsure)
		fputs("What came after events were lost is not sure, nor is a free of what a "
		      "forked "
		      "child was not seen to allocate; they do not count as errors.\n",
		      out);
}

static void write_process(const struct state *state, const struct process *process, FILE *out)
{
	struct misuse_process misuse = misuse__of(state->misuse, process);

	for (unsigned i = 0; i < NR_MISUSE_KINDS; i++)
		write_list(state, process, i, &misuse.lists[i], out);
	write_summary(process, &misuse, out);
}

static int write_text(void *data, FILE *out)
{
	struct state *state = data;
	const struct model *model = state->model;

	resolve(state);
	fprintf(out,
		"Stacks are of the allocation; --free-stacks tells those of frees, too. The last "
		"%u "
		"frees are remembered, by address.\n\n",
		MISUSE_MAX_FREED);
	for (size_t i = 0; i < max(model->nr_processes, 1u); i++) {
		const struct process *process =
			model->nr_processes ? model->processes[i] : model__first(model);

		if (model->nr_processes > 1)
			process_text__heading(process, out);
		write_process(state, process, out);
		if (model->nr_processes > 1)
			fputc('\n', out);
	}
	report_text__write_lost(model, out);
	return 0;
}

static void write_json_functions(struct json *json, const struct state *state,
				 enum misuse_kind kind, const struct misuse_site *site)
{
	const struct model *model = state->model;

	if (kind != MISUSE_INVALID_FREE)
		event_parts__json_function(json, "allocated_by", model, site->func);
	if (kind == MISUSE_DOUBLE_FREE)
		event_parts__json_function(json, "first_freed_by", model, site->func_before);
	if (site->free_func)
		event_parts__json_function(json, "freed_by", model, site->free_func);
}

static void write_json_example(struct json *json, const struct state *state,
			       const struct misuse_site *site)
{
	json__object(json, "first");
	json__uint(json, "address", site->addr);
	json__uint(json, "tid", site->tid);
	event_parts__json_moment(json, "seconds", "time", state->model, site->time_ns);
	if (site->time_before_ns) {
		json__uint(json, "tid_before", site->tid_before);
		event_parts__json_moment(json, "seconds_before", "time_before", state->model,
					 site->time_before_ns);
	}
	json__end_object(json);
}

static void write_json_site(struct json *json, const struct state *state,
			    const struct process *process, enum misuse_kind kind,
			    const struct misuse_site *site)
{
	json__object(json, NULL);
	json__uint(json, "count", site->sum.blocks);
	if (kind <= MISUSE_INVALID_FREE)
		json__uint(json, "not_sure", site->nr_unsure);
	else
		json__uint(json, "bytes", site->sum.bytes);
	if (site->nr_injected)
		json__uint(json, "injected", site->nr_injected);
	if (kind == MISUSE_REALLOC) {
		json__uint(json, "moved", site->nr_moved);
		json__uint(json, "copied_bytes", site->copied_bytes);
		json__uint(json, "grown_bytes", site->grown_bytes);
		json__uint(json, "most_of_one_block", site->max_chain);
	}
	write_json_functions(json, state, kind, site);
	write_json_example(json, state, site);
	event_parts__json_stack(json, state->model, process, site->stack, site->time_ns,
				state->options->report.depth);
	if (site->free_stack) {
		json__object(json, "free");
		event_parts__json_stack(json, state->model, process, site->free_stack,
					site->time_ns, state->options->report.depth);
		json__end_object(json);
	}
	json__end_object(json);
}

static void write_json_list(struct json *json, const struct state *state,
			    const struct process *process, enum misuse_kind kind,
			    const struct misuse_list *list)
{
	size_t nr = nr_shown(state, kind, list), shown = 0;

	json__object(json, kinds[kind].json);
	json_parts__known(json, "count", list->sum.blocks, !is_unknown(process, kind));
	json__uint(json, "places", list->nr_sites);
	json__array(json, "sites");
	for (size_t i = 0; i < list->nr_sites && shown < nr; i++) {
		if (!is_shown(kind, &list->sites[i], i))
			continue;
		write_json_site(json, state, process, kind, &list->sites[i]);
		shown++;
	}
	json__end_array(json);
	json__end_object(json);
}

static int write_json(void *data, FILE *out)
{
	struct state *state = data;
	const struct model *model = state->model;
	struct json json;

	resolve(state);
	json_parts__begin(&json, out, "misuse", model);
	for (size_t i = 0; i < model->nr_processes; i++) {
		struct misuse_process misuse = misuse__of(state->misuse, model->processes[i]);

		json_parts__process(&json, model->processes[i]);
		json__uint(&json, "errors", misuse.nr_errors);
		json__bool(&json, "missing_allocator", misuse.doubtful);
		json_parts__known(&json, "older_than_attach", misuse.nr_older,
				  !model->processes[i]->sample_bytes);
		for (unsigned k = 0; k < NR_MISUSE_KINDS; k++)
			write_json_list(&json, state, model->processes[i], k, &misuse.lists[k]);
		json__end_object(&json);
	}
	json_parts__end(&json);
	return 0;
}

const struct view view_misuse = {
	.name = "misuse",
	.takes = VIEW_HEAP | VIEW_TOP | VIEW_DEPTH | VIEW_ENTRIES,
	.of_events = true,
	.help = "double frees (of the last million), invalid frees, frees by the wrong function, "
		"failed allocations, reallocs that copy much",
	.begin = begin,
	.write = write_text,
	.write_json = write_json,
	.nr_entries = nr_entries,
	.free = free_state,
};
