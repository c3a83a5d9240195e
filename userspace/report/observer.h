/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who looks on while a stream is read: views that need more than what is live at the end. A view
 * adds its observer to the model (model__observe) before the first record.
 */
#ifndef OBSERVER_H
#define OBSERVER_H

#include "heap/event.h"

struct process;

/* Every function may be NULL. What an observer keeps of a process it finds by process->number. */
struct observer {
	/* Its heap is there: empty, or its parent's copy (process->totals say what was inherited).
	 * Again after each exec: the old heap is gone, with all its blocks. */
	void (*begin)(struct process *process, void *data);
	void (*event)(struct process *process, const struct heap_event *event, void *data);
	/* Watching it has ended; its heap is there for the last time. Processes that are alive when
	 * the stream ends have no end. */
	void (*end)(struct process *process, void *data);
	void *data;
	struct observer *next; /* the model's */
};

/* A heap_event_fn; data is the process. */
void observer__happened(const struct heap_event *event, void *process);

#endif /* OBSERVER_H */
