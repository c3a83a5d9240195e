// SPDX-License-Identifier: BSD-2-Clause
#include "report/eventlog.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Events kept at most. */
#define MAX_EVENTS 16384

struct eventlog {
	struct model *model;
	logged_fn take;
	void *data;
	struct observer observer;
	struct logged_event *events; /* MAX_EVENTS */
	size_t nr;
	int err; /* stays */

	uint8_t *named; /* by index of a stack: it was looked up */
	size_t nr_named;
	bool *begun; /* by number of a process */
	size_t nr_begun;
};

struct eventlog *eventlog__new(struct model *model, logged_fn take, void *data)
{
	struct eventlog *log = xcalloc(1, sizeof(*log));

	log->model = model;
	log->take = take;
	log->data = data;
	log->events = xcalloc(MAX_EVENTS, sizeof(*log->events));
	return log;
}

void eventlog__free(struct eventlog *log)
{
	if (!log)
		return;
	free(log->events);
	free(log->named);
	free(log->begun);
	free(log);
}

bool logged_event__passes_all(const struct block_filter *filter)
{
	return !filter->min_bytes && !filter->max_bytes && !filter->born_from_ns &&
	       !filter->born_until_ns && !filter->tid;
}

struct logged_event logged_event__of(const struct model *model, const struct process *process,
				     const struct heap_event *event)
{
	static const enum logged_kind kinds[] = { [HEAP_BORN] = LOGGED_ALLOC,
						  [HEAP_DIED] = LOGGED_FREE,
						  [HEAP_REPLACED] = LOGGED_REPLACED,
						  [HEAP_FAILED] = LOGGED_FAILED,
						  [HEAP_UNKNOWN] = LOGGED_UNKNOWN_FREE };
	/* That of a realloc is told with its allocation; that of a replacement is not of a free. */
	bool has_stack = event->kind == HEAP_BORN || event->kind == HEAP_FAILED ||
			 (event->kind != HEAP_REPLACED && !event->by_realloc);

	return (struct logged_event){
		.kind = kinds[event->kind],
		.by_realloc = event->by_realloc,
		.func = event->func,
		.tid = event->tid,
		.stack = has_stack ? stacks__index(model->stacks, event->stack) : 0,
		.time_ns = event->time_ns,
		.addr = event->addr,
		.bytes = event->bytes,
		.weight = event->weight,
		.old_addr = event->old ? event->old->addr : 0,
		.old_bytes = event->old ? heap_block__bytes(event->old) : 0,
		.process = process,
		.exe = process->exe,
	};
}

struct logged_event logged_event__of_block(const struct model *model, const struct process *process,
					   const struct heap_block *block)
{
	return (struct logged_event){
		.kind = LOGGED_ALLOC,
		.func = block->func,
		.tid = heap__tid(process->heap, block),
		.stack = stacks__index(model->stacks, block->stack),
		.time_ns = block->time_ns,
		.addr = block->addr,
		.bytes = heap_block__bytes(block),
		.weight = heap_block__weight(block),
		.process = process,
		.exe = process->exe,
	};
}

struct logged_event logged_event__of_process(const struct model *model,
					     const struct process *process, enum logged_kind kind)
{
	return (struct logged_event){ .kind = kind,
				      .tid = process->pid,
				      .weight = 1,
				      .time_ns = model->end_ns,
				      .process = process,
				      .exe = process->exe };
}

bool logged_event__is_of_process(const struct logged_event *event)
{
	return event->kind == LOGGED_EXEC || event->kind == LOGGED_END ||
	       event->kind == LOGGED_FORK;
}

/* The names of stacks that come for the first time. */
static void look_up_names(struct eventlog *log)
{
	size_t nr_stacks = stacks__count(log->model->stacks), nr = 0;
	uint32_t *wanted;

	if (log->nr_named < nr_stacks) {
		size_t grown = max(nr_stacks, log->nr_named * 2);

		log->named = xrealloc(log->named, grown);
		memset(log->named + log->nr_named, 0, grown - log->nr_named);
		log->nr_named = grown;
	}
	wanted = xreallocarray(NULL, log->nr, sizeof(*wanted));
	for (size_t i = 0; i < log->nr; i++) {
		uint32_t stack = log->events[i].stack;

		if (!log->named[stack])
			wanted[nr++] = stack;
		log->named[stack] = 1;
	}
	if (nr)
		model__resolve_stacks(log->model, log->model->stacks, wanted, nr, NULL, NULL);
	free(wanted);
}

int eventlog__drain(struct eventlog *log)
{
	if (!log->err && log->nr)
		look_up_names(log);
	for (size_t i = 0; !log->err && i < log->nr; i++)
		log->err = log->take(&log->events[i], log->data);
	log->nr = 0;
	return log->err;
}

void eventlog__add(struct eventlog *log, const struct logged_event *event)
{
	if (log->nr == MAX_EVENTS)
		eventlog__drain(log);
	log->events[log->nr++] = *event;
}

static bool is_wanted(const struct eventlog *log, const struct process *process,
		      const struct heap_event *event)
{
	const struct block_filter *filter = &log->model->filter;

	return event->block ? block_filter__passes(filter, process->heap, event->block)
			    : logged_event__passes_all(filter) &&
				      block_filter__wants_call(filter, event->stack, event->func);
}

static void happened(struct process *process, const struct heap_event *event, void *data)
{
	struct eventlog *log = data;
	struct logged_event logged;

	if (!is_wanted(log, process, event))
		return;
	logged = logged_event__of(log->model, process, event);
	eventlog__add(log, &logged);
}

static void add_of_process(struct eventlog *log, const struct process *process,
			   enum logged_kind kind)
{
	struct logged_event event = logged_event__of_process(log->model, process, kind);

	eventlog__add(log, &event);
}

/* Where a child begins with blocks it is its parent's event. */
static void add_fork(struct eventlog *log, const struct process *child)
{
	const struct process *parent = model__process(log->model, child->parent);
	struct logged_event event;

	/* Of one process the others do not matter. */
	if (!parent || log->model->only_pid || !heap__nr_blocks(child->heap))
		return;
	event = logged_event__of_process(log->model, parent, LOGGED_FORK);
	event.tid = child->pid;
	eventlog__add(log, &event);
}

/* A process that begins again has exec'ed. */
static void begin(struct process *process, void *data)
{
	struct eventlog *log = data;
	size_t before = log->nr_begun;

	if (process->number >= before) {
		log->nr_begun = max(process->number + 1, before * 2);
		log->begun = xreallocarray(log->begun, log->nr_begun, sizeof(*log->begun));
		memset(log->begun + before, 0, log->nr_begun - before);
	}
	if (log->begun[process->number])
		add_of_process(log, process, LOGGED_EXEC);
	else if (process->parent)
		add_fork(log, process);
	log->begun[process->number] = true;
}

static void end(struct process *process, void *data)
{
	add_of_process(data, process, LOGGED_END);
}

void eventlog__observe(struct eventlog *log)
{
	log->observer =
		(struct observer){ .begin = begin, .event = happened, .end = end, .data = log };
	model__observe(log->model, &log->observer);
}
