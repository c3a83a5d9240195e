// SPDX-License-Identifier: BSD-2-Clause
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "report/entries.h"
#include "report/selection.h"

struct builder {
	struct model *model;
	struct profile *profile;
	const struct report_options *options;
	struct stacks *stacks; /* the model's, or their cut copies */
	uint32_t *cut_index;   /* by stack index: the index in `stacks`; NULL: they are the same */
	struct entries *entries;   /* of each process */
	struct amount *suppressed; /* by rule of the selection, of the process at hand */
};

/* Everything of a snapshot that one process needs is one allocation each, owned here. */
struct snapshot {
	struct report report;
	struct process_report *processes;
};

/* Stacks cut to options->depth frames; those that become equal share an index. */
static void cut_stacks(struct builder *builder)
{
	struct stacks *whole = builder->model->stacks;
	uint32_t nr = stacks__count(whole);

	builder->cut_index = xcalloc(nr, sizeof(*builder->cut_index));
	builder->stacks = stacks__new();
	for (uint32_t i = 0; i < nr; i++) {
		struct stack stack = stacks__get(whole, i);
		uint32_t depth = (uint32_t)min((uint64_t)stack.nr_frames, builder->options->depth);

		/* Ids of the copy are its callers' business: the old index + 1. */
		stacks__add(builder->stacks, i + 1, stack.frames, depth, false);
		builder->cut_index[i] = stacks__index(builder->stacks, i + 1);
	}
}

/* What is selected by frames is not cut before that is done. */
static const struct stacks *stacks_of_entries(const struct builder *builder)
{
	return builder->options->selection ? builder->model->stacks : builder->stacks;
}

/* All names at once: processes share most of the files they come from. */
static void resolve_entries(const struct builder *builder, size_t nr_processes)
{
	uint32_t *stacks;
	size_t nr = 0;

	for (size_t i = 0; i < nr_processes; i++)
		nr += builder->entries[i].nr;
	stacks = xcalloc(nr, sizeof(*stacks));
	nr = 0;
	for (size_t i = 0; i < nr_processes; i++)
		for (size_t k = 0; k < builder->entries[i].nr; k++)
			stacks[nr++] = builder->entries[i].all[k].stack;
	model__resolve_stacks(builder->model, stacks_of_entries(builder), stacks, nr,
			      builder->options->progress, builder->options->progress_data);
	free(stacks);
}

/* The frames of an entry to out; returns how many. */
static uint32_t fill_frames(const struct builder *builder, const struct process_report *report,
			    const struct entry *entry, struct frame *out)
{
	struct stack stack = stacks__get(builder->stacks, entry->stack);
	uint32_t nr = frames__fill(builder->model, report->process->space, &stack,
				   entry->newest_at_ns, out);

	/* One location is several frames where functions were inlined. */
	if (builder->options->depth && nr > builder->options->depth)
		nr = (uint32_t)builder->options->depth;
	return nr;
}

static struct judgement judge_entry(const struct builder *builder, const struct entry *entry)
{
	const struct model *model = builder->model;
	const struct function *function = functions__find(model->functions, entry->func);
	struct frames frames = frames__of(model, NULL, entry->stack, 0);
	struct judgement judgement =
		selection__judge(builder->options->selection, frames.frames, frames.nr,
				 function ? function->symbol : NULL);

	frames__clear(&frames);
	return judgement;
}

/* Leaves out what the selection does not want. */
static void judge_entries(const struct builder *builder, struct process_report *report,
			  struct entries *entries)
{
	enum cost cost = builder->options->cost;
	size_t nr = 0;

	for (size_t i = 0; i < entries->nr; i++) {
		const struct entry *entry = &entries->all[i];
		struct judgement judgement;

		if (!entry->costs.of[cost].blocks)
			continue;
		judgement = judge_entry(builder, entry);
		if (judgement.verdict == WANTED) {
			entries->all[nr++] = *entry;
			continue;
		}
		entries->nr_hidden++;
		if (judgement.verdict == SUPPRESSED) {
			amount__add(&report->suppressed, entry->costs.of[cost]);
			amount__add(&builder->suppressed[judgement.rule], entry->costs.of[cost]);
		}
	}
	entries->nr = nr;
}

/* The rules that left something out, as they come in their files; makes the amounts 0 again. */
static void list_rules(const struct builder *builder, struct process_report *report)
{
	const struct selection *selection = builder->options->selection;
	struct suppressed *rules = NULL;
	size_t capacity = 0, nr = 0;

	for (size_t i = 0; i < selection__nr_rules(selection); i++) {
		if (!builder->suppressed[i].blocks)
			continue;
		rules = array__grow(rules, nr, &capacity, sizeof(*rules));
		rules[nr++] = (struct suppressed){ .rule = selection__rule_name(selection, i),
						   .amount = builder->suppressed[i] };
		builder->suppressed[i] = (struct amount){ 0 };
	}
	report->rules = rules;
	report->nr_rules = nr;
}

/* What is wanted of whole stacks; only then are they cut. */
static void select_entries(const struct builder *builder, struct process_report *report,
			   struct entries *entries)
{
	judge_entries(builder, report, entries);
	list_rules(builder, report);
	if (builder->cut_index)
		entries__cut_stacks(entries, builder->cut_index);
	entries__select(entries, builder->options);
	entries__cut(entries, builder->options);
}

/* The frames of all entries of a process, for them to point into. */
static struct frame *room_for_frames(const struct builder *builder, const struct entries *entries)
{
	size_t nr = 0;

	for (size_t i = 0; i < entries->nr; i++) {
		struct stack stack = stacks__get(builder->stacks, entries->all[i].stack);

		nr += frames__count(builder->model, &stack);
	}
	return xcalloc(nr, sizeof(struct frame));
}

static uint64_t age_ns(uint64_t at_ns, uint64_t end_ns)
{
	return end_ns - min(at_ns, end_ns);
}

static void fill_entries(const struct builder *builder, const struct entries *entries,
			 struct process_report *report)
{
	struct frame *next = room_for_frames(builder, entries);
	struct report_entry *all = xcalloc(entries->nr, sizeof(*all));

	for (size_t i = 0; i < entries->nr; i++) {
		const struct entry *from = &entries->all[i];

		all[i] = (struct report_entry){
			.costs = from->costs,
			.oldest_ns = age_ns(from->oldest_at_ns, report->end_ns),
			.newest_ns = age_ns(from->newest_at_ns, report->end_ns),
			.family = entries->families[from->family].name,
			.frames = next,
			.stack = from->stack,
			.cut = stacks__get(builder->stacks, from->stack).cut,
		};
		all[i].nr_frames = fill_frames(builder, report, from, next);
		next += all[i].nr_frames;
	}
	report->entries = all;
	report->nr_entries = entries->nr;
}

static int compare_families(const void *left, const void *right)
{
	const struct amount *a = &((const struct report_family *)left)->amount;
	const struct amount *b = &((const struct report_family *)right)->amount;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->blocks < b->blocks ? 1 : a->blocks > b->blocks ? -1 : 0;
}

static const uint32_t *first_cut(const struct builder *builder)
{
	return builder->options->selection ? NULL : builder->cut_index;
}

static struct entries live_entries(const struct builder *builder, const struct process *process)
{
	const struct model *model = builder->model;
	struct sites counted = { 0 };
	struct entries entries;

	if (!process->ended)
		counted = sites__count(process->heap, model->stacks, model->end_ns, &model->filter);
	entries = entries__make(process->ended ? &process->end_sites : &counted, NULL,
				model->functions, first_cut(builder), builder->options->cost);
	sites__clear(&counted);
	return entries;
}

/* The figures of a process, and its entries without names. */
static struct entries count_process(const struct builder *builder, struct process_report *report)
{
	const struct process *process = report->process;
	const struct model *model = builder->model;
	struct entries entries;

	report->totals = *process__totals(process);
	report->selfcheck = selfcheck__run(model, process);
	report->end_ns = process->ended ? process->end_ns : model->end_ns;
	if (builder->profile) {
		struct profile_process profile = profile__of(builder->profile, process);

		report->peak_ns = profile.peak_ns;
		entries = entries__make(NULL, &profile, model->functions, first_cut(builder),
					builder->options->cost);
	} else {
		entries = live_entries(builder, process);
	}
	for (size_t i = 0; i < entries.nr; i++)
		costs__add(&report->sums, &entries.all[i].costs);
	/* What is selected by name is all looked up. */
	if (!builder->options->selection) {
		entries__select(&entries, builder->options);
		entries__cut(&entries, builder->options);
	}
	return entries;
}

/* The rest of it. Sorted last: entries name families by index. */
static void finish_process(const struct builder *builder, struct process_report *report,
			   struct entries *entries)
{
	if (builder->options->selection)
		select_entries(builder, report, entries);
	report->nr_hidden = entries->nr_hidden;
	if (entries->nr)
		fill_entries(builder, entries, report);
	if (entries->nr_families)
		qsort(entries->families, entries->nr_families, sizeof(*entries->families),
		      compare_families);
	report->families = entries->families;
	report->nr_families = entries->nr_families;
	free(entries->all);
}

struct report *report__build(struct model *model, struct profile *profile,
			     const struct report_options *options)
{
	struct snapshot *snapshot = xcalloc(1, sizeof(*snapshot));
	struct builder builder = {
		.model = model, .profile = profile, .options = options, .stacks = model->stacks
	};
	size_t nr = max(model->nr_processes, 1u);

	snapshot->processes = xcalloc(nr, sizeof(*snapshot->processes));
	builder.entries = xcalloc(nr, sizeof(*builder.entries));
	if (options->depth)
		cut_stacks(&builder);
	if (options->selection)
		builder.suppressed = xcalloc(selection__nr_rules(options->selection),
					     sizeof(*builder.suppressed));
	for (size_t i = 0; i < nr; i++) {
		snapshot->processes[i].process =
			model->nr_processes ? model->processes[i] : model__first(model);
		builder.entries[i] = count_process(&builder, &snapshot->processes[i]);
	}
	resolve_entries(&builder, nr);
	snapshot->report = (struct report){ .model = model,
					    .cost = options->cost,
					    .processes = snapshot->processes,
					    .nr_processes = nr };
	for (size_t i = 0; i < nr; i++) {
		finish_process(&builder, &snapshot->processes[i], &builder.entries[i]);
		snapshot->report.nr_entries += snapshot->processes[i].nr_entries;
	}
	free(builder.entries);
	free(builder.cut_index);
	free(builder.suppressed);
	if (builder.stacks != model->stacks)
		stacks__free(builder.stacks);
	return &snapshot->report;
}

void report__free(struct report *report)
{
	struct snapshot *snapshot = (struct snapshot *)report;

	if (!snapshot)
		return;
	for (size_t i = 0; i < report->nr_processes; i++) {
		struct process_report *process = &snapshot->processes[i];

		/* The frames of all entries are one array. */
		if (process->nr_entries)
			free((void *)process->entries[0].frames);
		free((void *)process->entries);
		free((void *)process->families);
		free((void *)process->rules);
	}
	free(snapshot->processes);
	free(snapshot);
}
