// SPDX-License-Identifier: BSD-2-Clause
/* The life of one address: each block that was there, from its allocation to its end. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "export/event_parts.h"
#include "export/json_parts.h"
#include "export/process_text.h"
#include "export/report_text.h"
#include "export/view.h"
#include "report/lives.h"

struct state {
	struct model *model;
	struct lives *lives;
	const struct view_options *options;
	bool resolved;
};

static void *begin(struct model *model, const struct view_options *options)
{
	struct state *state;

	if (!options->address) {
		log_err("heaptap ptr wants to know the address, in hexadecimal, as in: heaptap ptr "
			"app.htap 0x7f5c2a4010");
		return NULL;
	}
	state = xcalloc(1, sizeof(*state));
	*state = (struct state){ model, lives__new(model, options->address), options, false };
	return state;
}

static void free_state(void *data)
{
	struct state *state = data;

	if (!state)
		return;
	lives__free(state->lives);
	free(state);
}

/* The names of all stacks that are shown. */
static void resolve(struct state *state)
{
	struct model *model = state->model;
	uint32_t *stacks = NULL;
	size_t nr = 0, capacity = 0;

	if (state->resolved)
		return;
	state->resolved = true;
	for (size_t i = 0; i < model->nr_processes; i++) {
		struct lives_process process = lives__of(state->lives, model->processes[i]);

		for (size_t k = 0; k < 2 * process.nr_lives; k++) {
			const struct life *life = &process.lives[k / 2];

			stacks = array__grow(stacks, nr, &capacity, sizeof(*stacks));
			stacks[nr++] = k % 2 ? life->stack : life->died_stack;
		}
		for (size_t k = 0; k < 2; k++) {
			stacks = array__grow(stacks, nr, &capacity, sizeof(*stacks));
			stacks[nr++] = k ? process.before.stack : process.after.stack;
		}
	}
	model__resolve_stacks(model, model->stacks, stacks, nr, state->options->report.progress,
			      state->options->report.progress_data);
	free(stacks);
}

static void write_by(const struct state *state, uint16_t func, uint32_t tid, uint64_t time_ns,
		     FILE *out)
{
	fputs(" by ", out);
	event_parts__write_function(state->model, func, out);
	if (tid)
		fprintf(out, " in thread %" PRIu32, tid);
	fputs(", ", out);
	event_parts__write_moment(state->model, time_ns, out);
}

static void write_birth(const struct state *state, const struct process *process,
			const struct life *life, FILE *out)
{
	uint64_t inside = state->options->address - life->addr;

	fprintf(out, "Block of %" PRIu64 " bytes at 0x%" PRIx64, life->bytes, life->addr);
	if (life->weight > 1)
		fprintf(out, ", recorded as one of about %" PRIu32, life->weight);
	if (inside)
		fprintf(out, ", %" PRIu64 " bytes below the address", inside);
	fputs("\nallocated", out);
	write_by(state, life->born_func, life->born_tid, life->born_ns, out);
	if (life->inherited)
		fputs(", before the fork", out);
	if (life->was_moved && life->old_addr == life->addr)
		fprintf(out, ", in place; it had %" PRIu64 " bytes before", life->old_bytes);
	else if (life->was_moved)
		fprintf(out, ", moved from 0x%" PRIx64 " where it had %" PRIu64 " bytes",
			life->old_addr, life->old_bytes);
	fputc('\n', out);
	event_parts__write_stack(state->model, process, life->stack, life->born_ns,
				 state->options->report.depth, out);
}

/* Of the call that ended it, where that is known. */
static void write_died_stack(const struct state *state, const struct process *process,
			     const struct life *life, FILE *out)
{
	fputc('\n', out);
	if (life->died_stack)
		event_parts__write_stack(state->model, process, life->died_stack, life->died_ns,
					 state->options->report.depth, out);
	fputc('\n', out);
}

static void write_death(const struct state *state, const struct process *process,
			const struct life *life, FILE *out)
{
	uint64_t lived_ns = life->died_ns - min(life->born_ns, life->died_ns);

	if (life->kind == LIFE_LIVE) {
		fputs("It lives at the end.\n\n", out);
		return;
	}
	if (life->kind == LIFE_MOVED && life->new_addr == life->addr)
		fprintf(out, "resized in place to %" PRIu64 " bytes", life->new_bytes);
	else if (life->kind == LIFE_MOVED)
		fprintf(out, "moved to 0x%" PRIx64 ", with %" PRIu64 " bytes there,",
			life->new_addr, life->new_bytes);
	else if (life->kind == LIFE_REPLACED)
		fputs("gone without a free that was seen: the address was given out again", out);
	else
		fputs("freed", out);
	write_by(state, life->died_func, life->died_tid, life->died_ns, out);
	fprintf(out, "; it lived %.6f s", (double)lived_ns / NSEC_PER_SEC);
	write_died_stack(state, process, life, out);
}

static void write_life(const struct state *state, const struct process *process,
		       const struct life *life, FILE *out)
{
	if (life->kind != LIFE_NOTHING) {
		write_birth(state, process, life, out);
		write_death(state, process, life, out);
		return;
	}
	fputs("Free of the address, where no known block was,", out);
	write_by(state, life->died_func, life->died_tid, life->died_ns, out);
	write_died_stack(state, process, life, out);
}

static void write_neighbour(const struct state *state, const struct process *process,
			    const struct life_neighbour *neighbour, FILE *out)
{
	const struct heap_block *block = &neighbour->block;
	uint64_t address = state->options->address, end = block->addr + heap_block__bytes(block);

	if (!block->addr)
		return;
	if (block->addr < address)
		fprintf(out, "Nearest below at the end: ends %" PRIu64 " bytes before the address",
			address - end);
	else
		fprintf(out, "Nearest above at the end: begins %" PRIu64 " bytes after the address",
			block->addr - address);
	fprintf(out, "; %" PRIu64 " bytes at 0x%" PRIx64 ", allocated", heap_block__bytes(block),
		block->addr);
	write_by(state, block->func, neighbour->tid, block->time_ns, out);
	fputc('\n', out);
	event_parts__write_stack(state->model, process, neighbour->stack, block->time_ns,
				 state->options->report.depth, out);
	fputc('\n', out);
}

static void write_process(const struct state *state, const struct process *process, FILE *out)
{
	struct lives_process lives = lives__of(state->lives, process);

	for (size_t i = 0; i < lives.nr_lives; i++) {
		if (i == lives.nr_first && lives.nr_hidden)
			fprintf(out, "(%" PRIu64 " more between these)\n\n", lives.nr_hidden);
		write_life(state, process, &lives.lives[i], out);
	}
	write_neighbour(state, process, &lives.before, out);
	write_neighbour(state, process, &lives.after, out);
	fprintf(out,
		"Address 0x%" PRIx64 ": %" PRIu64 " block%s, and %" PRIu64
		" free%s where no known block was.\n",
		state->options->address, lives.nr_blocks, lives.nr_blocks == 1 ? "" : "s",
		lives.nr_nothing, lives.nr_nothing == 1 ? "" : "s");
}

static int write_text(void *data, FILE *out)
{
	struct state *state = data;
	const struct model *model = state->model;

	resolve(state);
	for (size_t i = 0; i < max(model->nr_processes, 1u); i++) {
		const struct process *process =
			model->nr_processes ? model->processes[i] : model__first(model);

		if (model->nr_processes > 1)
			process_text__heading(process, out);
		write_process(state, process, out);
		if (model->nr_processes > 1)
			fputc('\n', out);
	}
	if (model->sample_bytes)
		fputs("Blocks at the address, or beside it, that were not recorded are not "
		      "known.\n",
		      out);
	report_text__write_lost(model, out);
	return 0;
}

/* A call: what began a life, or ended it. */
static void write_json_call(struct json *json, const char *name, const struct state *state,
			    uint16_t func, uint32_t tid, uint64_t time_ns)
{
	json__object(json, name);
	event_parts__json_function(json, "function", state->model, func);
	if (tid)
		json__uint(json, "tid", tid);
	else
		json__null(json, "tid");
	event_parts__json_moment(json, "seconds", "time", state->model, time_ns);
	json__end_object(json);
}

static void write_json_place(struct json *json, const char *name, uint64_t addr, uint64_t bytes)
{
	json__object(json, name);
	json__uint(json, "address", addr);
	json__uint(json, "bytes", bytes);
	json__end_object(json);
}

static void write_json_life(struct json *json, const struct state *state,
			    const struct process *process, const struct life *life)
{
	static const char *const ends[] = { [LIFE_LIVE] = "live",
					    [LIFE_FREED] = "freed",
					    [LIFE_MOVED] = "moved",
					    [LIFE_REPLACED] = "replaced",
					    [LIFE_NOTHING] = "free of nothing" };

	json__object(json, NULL);
	json__string(json, "what", ends[life->kind]);
	json__uint(json, "address", life->addr);
	if (life->kind != LIFE_NOTHING) {
		json__uint(json, "bytes", life->bytes);
		if (process->sample_bytes)
			json__uint(json, "weight", life->weight);
		write_json_call(json, "allocated", state, life->born_func, life->born_tid,
				life->born_ns);
		json__bool(json, "inherited", life->inherited);
		if (life->was_moved)
			write_json_place(json, "from", life->old_addr, life->old_bytes);
		event_parts__json_stack(json, state->model, process, life->stack, life->born_ns,
					state->options->report.depth);
	}
	if (life->kind != LIFE_LIVE)
		write_json_call(json, "ended", state, life->died_func, life->died_tid,
				life->died_ns);
	if (life->died_stack) {
		json__object(json, "ended_at");
		event_parts__json_stack(json, state->model, process, life->died_stack,
					life->died_ns, state->options->report.depth);
		json__end_object(json);
	}
	if (life->kind == LIFE_MOVED)
		write_json_place(json, "to", life->new_addr, life->new_bytes);
	json__end_object(json);
}

static void write_json_neighbour(struct json *json, const char *name, const struct state *state,
				 const struct process *process,
				 const struct life_neighbour *neighbour)
{
	const struct heap_block *block = &neighbour->block;

	if (!block->addr) {
		json__null(json, name);
		return;
	}
	json__object(json, name);
	json__uint(json, "address", block->addr);
	json__uint(json, "bytes", heap_block__bytes(block));
	if (process->sample_bytes)
		json__uint(json, "weight", heap_block__weight(block));
	write_json_call(json, "allocated", state, block->func, neighbour->tid, block->time_ns);
	event_parts__json_stack(json, state->model, process, neighbour->stack, block->time_ns,
				state->options->report.depth);
	json__end_object(json);
}

static void write_json_process(struct json *json, const struct state *state,
			       const struct process *process)
{
	struct lives_process lives = lives__of(state->lives, process);

	json_parts__process(json, process);
	json__uint(json, "address", state->options->address);
	json__uint(json, "blocks", lives.nr_blocks);
	json__uint(json, "frees_of_nothing", lives.nr_nothing);
	json__uint(json, "not_shown", lives.nr_hidden);
	json__array(json, "lives");
	for (size_t i = 0; i < lives.nr_lives; i++)
		write_json_life(json, state, process, &lives.lives[i]);
	json__end_array(json);
	write_json_neighbour(json, "below", state, process, &lives.before);
	write_json_neighbour(json, "above", state, process, &lives.after);
	json__end_object(json);
}

static int write_json(void *data, FILE *out)
{
	struct state *state = data;
	struct json json;

	resolve(state);
	json_parts__begin(&json, out, "ptr", state->model);
	for (size_t i = 0; i < state->model->nr_processes; i++)
		write_json_process(&json, state, state->model->processes[i]);
	json_parts__end(&json);
	return 0;
}

const struct view view_ptr = {
	.name = "ptr",
	.takes = VIEW_HEAP | VIEW_DEPTH | VIEW_ADDRESS,
	.of_events = true,
	.help = "the life of one address: each block that contained it (heaptap ptr FILE "
		"0xADDRESS)",
	.begin = begin,
	.write = write_text,
	.write_json = write_json,
	.free = free_state,
};
