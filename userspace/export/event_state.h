/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of views that observe events themselves, and show what has come of them process by
 * process. */
#ifndef EVENT_STATE_H
#define EVENT_STATE_H

#include <stdio.h>

#include "base/json.h"
#include "export/view.h"

struct process;

struct event_state {
	struct model *model;
	const struct view_options *options;
	void *observer; /* the view's own: what it has seen */
	void (*free_observer)(void *observer);
};

/* observer belongs to the state from now on. */
void *event_state__new(struct model *model, const struct view_options *options, void *observer,
		       void (*free_observer)(void *observer));
/* The .free of such a view. */
void event_state__free(void *state);

/* Calls write for each process, or for the one that stands for none; of several, each is under a
 * heading. */
void event_state__write_text(const struct event_state *state, FILE *out,
			     void (*write)(const struct event_state *state,
					   const struct process *process, FILE *out));
/* The whole document. view: its name; write writes a process's members, the object is there. */
void event_state__write_json(const struct event_state *state, FILE *out, const char *view,
			     void (*write)(const struct event_state *state,
					   const struct process *process, struct json *json));

#endif /* EVENT_STATE_H */
