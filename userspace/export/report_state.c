// SPDX-License-Identifier: BSD-2-Clause
#include "export/report_state.h"

#include <stdlib.h>

#include "base/util.h"

void *report_state__begin(struct model *model, const struct view_options *options)
{
	struct report_state *state = xcalloc(1, sizeof(*state));

	state->model = model;
	state->options = options;
	state->cost = options->report.cost;
	if (options->report.cost != COST_LIVE)
		state->profile = profile__new(model);
	return state;
}

void *report_state__begin_profile(struct model *model, const struct view_options *options)
{
	struct report_state *state = report_state__begin(model, options);

	if (!state->profile)
		state->profile = profile__new(model);
	return state;
}

const struct report *report_state__build(struct report_state *state)
{
	struct report_options options = state->options->report;

	options.cost = state->cost;
	if (!state->report)
		state->report = report__build(state->model, state->profile, &options);
	return state->report;
}

size_t report_state__nr_entries(const void *data)
{
	const struct report_state *state = data;

	return state->report ? state->report->nr_entries : 0;
}

void report_state__free(void *data)
{
	struct report_state *state = data;

	if (!state)
		return;
	report__free(state->report);
	profile__free(state->profile);
	free(state);
}
