// SPDX-License-Identifier: BSD-2-Clause
#include "export/event_state.h"

#include <stdlib.h>

#include "base/util.h"
#include "export/json_parts.h"
#include "export/process_text.h"

void *event_state__new(struct model *model, const struct view_options *options, void *observer,
		       void (*free_observer)(void *observer))
{
	struct event_state *state = xcalloc(1, sizeof(*state));

	*state = (struct event_state){ model, options, observer, free_observer };
	return state;
}

void event_state__free(void *data)
{
	struct event_state *state = data;

	if (!state)
		return;
	state->free_observer(state->observer);
	free(state);
}

void event_state__write_text(const struct event_state *state, FILE *out,
			     void (*write)(const struct event_state *state,
					   const struct process *process, FILE *out))
{
	const struct model *model = state->model;

	for (size_t i = 0; i < max(model->nr_processes, 1u); i++) {
		const struct process *process =
			model->nr_processes ? model->processes[i] : model__first(model);

		if (model->nr_processes > 1)
			process_text__heading(process, out);
		write(state, process, out);
		if (model->nr_processes > 1)
			fputc('\n', out);
	}
}

void event_state__write_json(const struct event_state *state, FILE *out, const char *view,
			     void (*write)(const struct event_state *state,
					   const struct process *process, struct json *json))
{
	struct json json;

	json_parts__begin(&json, out, view, state->model);
	for (size_t i = 0; i < state->model->nr_processes; i++) {
		json_parts__process(&json, state->model->processes[i]);
		write(state, state->model->processes[i], &json);
		json__end_object(&json);
	}
	json_parts__end(&json);
}
