// SPDX-License-Identifier: BSD-2-Clause
#include "report/call_graph.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/keyset.h"
#include "base/strtab.h"
#include "base/text.h"
#include "base/util.h"

#define UNKNOWN "???"

/* A function as a frame shows it: most frames are met often, their texts are looked at once. */
struct frame_key {
	const struct module *module;
	const char *function, *file;
	uint64_t address; /* where there is no name; else 0 */
};

struct function_key {
	const struct module *module;
	uint32_t name, file; /* ids of texts */
};

struct line_key {
	uint32_t function, line, callee;
};

struct node {
	struct call_function shown;
	struct amount outermost; /* of stacks that begin with it */
	uint64_t stack;		 /* the number of the last one it was met in */
	bool is_called;
};

struct call_graph {
	struct strtab texts;
	struct keyset frames;	 /* frame_key */
	uint32_t *of_frame;	 /* by their numbers: the function */
	struct keyset keys;	 /* function_key; their numbers are the functions' */
	struct hmap taken;	 /* file << 32 | name -> whatever: which texts are in use */
	struct keyset line_keys; /* line_key; their numbers are the lines' */
	struct node *functions;
	struct call_line *lines;
	size_t nr_functions, functions_capacity, nr_lines, lines_capacity, of_frame_capacity;
	uint64_t nr_stacks;
	struct amount sum;
	bool finished;
	struct call_function *shown;
};

struct call_graph *call_graph__new(void)
{
	struct call_graph *graph = xcalloc(1, sizeof(*graph));

	graph->frames.key_size = sizeof(struct frame_key);
	graph->keys.key_size = sizeof(struct function_key);
	graph->line_keys.key_size = sizeof(struct line_key);
	return graph;
}

void call_graph__free(struct call_graph *graph)
{
	if (!graph)
		return;
	strtab__clear(&graph->texts);
	keyset__clear(&graph->frames);
	keyset__clear(&graph->keys);
	keyset__clear(&graph->line_keys);
	hmap__clear(&graph->taken);
	free(graph->of_frame);
	free(graph->functions);
	free(graph->lines);
	free(graph->shown);
	free(graph);
}

/* The id of a text as it is shown: without control characters, without blanks in front. */
static uint32_t clean_text(struct call_graph *graph, const char *text)
{
	char *copy = xstrdup(text ? text : UNKNOWN);
	const char *begin = copy;
	uint32_t id;

	text__strip_controls(copy);
	while (*begin == ' ')
		begin++;
	begin = *begin ? begin : UNKNOWN;
	id = strtab__add(&graph->texts, begin, SIZE_MAX);
	free(copy);
	return id;
}

/* Where there is no name: the place. */
static uint32_t place_text(struct call_graph *graph, const struct frame *frame)
{
	char *text = frame->module ? xasprintf("%s+0x%" PRIx64, path__base(frame->module->path),
					       frame->offset)
				   : xasprintf("0x%" PRIx64, frame->address);
	uint32_t id = clean_text(graph, text);

	free(text);
	return id;
}

static bool take(struct call_graph *graph, uint32_t name, uint32_t file)
{
	uint64_t key = (uint64_t)file << 32 | name;

	if (hmap__find(&graph->taken, key))
		return false;
	hmap__set(&graph->taken, key, 0);
	return true;
}

/* The name, or it and more where another function of that name and file is in the graph. */
static uint32_t unique_name(struct call_graph *graph, const struct function_key *key)
{
	const char *name = strtab__text(&graph->texts, key->name);
	const char *module = key->module ? path__base(key->module->path) : UNKNOWN;
	size_t number = 0; /* 0: the module is enough */
	uint32_t id = key->name;

	while (!take(graph, id, key->file)) {
		char *text = number ? xasprintf("%s [%s %zu]", name, module, number)
				    : xasprintf("%s [%s]", name, module);

		id = clean_text(graph, text);
		free(text);
		/* No other function begins with this one. */
		number = number ? number + 1 : graph->keys.nr;
	}
	return id;
}

static uint32_t function_of_key(struct call_graph *graph, const struct function_key *key)
{
	size_t number = keyset__add(&graph->keys, key);
	uint32_t name, object;

	if (number < graph->nr_functions)
		return (uint32_t)number;
	name = unique_name(graph, key);
	object = clean_text(graph, key->module ? key->module->path : NULL);
	graph->functions = array__grow(graph->functions, graph->nr_functions,
				       &graph->functions_capacity, sizeof(*graph->functions));
	graph->functions[graph->nr_functions++] =
		(struct node){ .shown = { .name = strtab__text(&graph->texts, name),
					  .file = strtab__text(&graph->texts, key->file),
					  .object = strtab__text(&graph->texts, object) } };
	return (uint32_t)number;
}

static uint32_t function_of_frame(struct call_graph *graph, const struct frame *frame)
{
	const struct frame_key frame_key = {
		.module = frame->module,
		.function = frame->function,
		.file = frame->file,
		.address = frame->function ? 0
			   : frame->module ? frame->offset
					   : frame->address,
	};
	size_t nr_known = graph->frames.nr, number = keyset__add(&graph->frames, &frame_key);
	struct function_key key = { .module = frame->module };

	if (number < nr_known)
		return graph->of_frame[number];
	key.name = frame->function ? clean_text(graph, frame->function) : place_text(graph, frame);
	key.file = clean_text(graph, frame->file);
	graph->of_frame = array__grow(graph->of_frame, number, &graph->of_frame_capacity,
				      sizeof(*graph->of_frame));
	graph->of_frame[number] = function_of_key(graph, &key);
	return graph->of_frame[number];
}

static struct call_line *line_of(struct call_graph *graph, uint32_t function, uint32_t line,
				 uint32_t callee)
{
	const struct line_key key = { .function = function, .line = line, .callee = callee };
	struct call_function *shown = &graph->functions[function].shown;
	size_t number = keyset__add(&graph->line_keys, &key);

	if (number < graph->nr_lines)
		return &graph->lines[number];
	if (line && (!shown->line || line < shown->line))
		shown->line = line;
	graph->lines = array__grow(graph->lines, graph->nr_lines, &graph->lines_capacity,
				   sizeof(*graph->lines));
	graph->lines[graph->nr_lines] =
		(struct call_line){ .function = function, .line = line, .callee = callee };
	return &graph->lines[graph->nr_lines++];
}

static void add_call(struct call_graph *graph, uint32_t caller, uint32_t line, uint32_t callee,
		     struct amount amount)
{
	struct call_line *call = line_of(graph, caller, line, callee);
	struct node *function = &graph->functions[callee];

	call->nr_calls += max(amount.blocks, 1u);
	if (function->stack != graph->nr_stacks)
		amount__add(&call->cost, amount);
	function->is_called = true;
}

void call_graph__add(struct call_graph *graph, const struct frame *frames, uint32_t nr_frames,
		     struct amount amount)
{
	const struct frame nowhere = { .function = UNKNOWN };
	uint32_t caller = 0;

	if (!nr_frames) {
		frames = &nowhere;
		nr_frames = 1;
	}
	graph->nr_stacks++;
	amount__add(&graph->sum, amount);
	for (uint32_t i = nr_frames; i-- > 0;) {
		uint32_t function = function_of_frame(graph, &frames[i]);

		if (i + 1 == nr_frames)
			amount__add(&graph->functions[function].outermost, amount);
		else
			add_call(graph, caller, frames[i + 1].line, function, amount);
		graph->functions[function].stack = graph->nr_stacks;
		caller = function;
	}
	amount__add(&line_of(graph, caller, frames[0].line, CALL_SELF)->cost, amount);
}

/* Readers take the sum of its calls for the inclusive cost of a function that is called at all. */
static void call_the_outermost(struct call_graph *graph)
{
	/* Not to be taken for a function of that name, were there one. */
	static const struct module nobody = { .path = (char *)"heaptap" };
	size_t nr = graph->nr_functions;
	struct function_key key = { .module = &nobody };
	uint32_t caller = UINT32_MAX;

	graph->nr_stacks++;
	for (size_t i = 0; i < nr; i++) {
		const struct node *function = &graph->functions[i];

		if (!function->is_called || !function->outermost.blocks)
			continue;
		if (caller == UINT32_MAX) {
			key.name = clean_text(graph, "(outermost)");
			key.file = clean_text(graph, NULL);
			caller = function_of_key(graph, &key);
			graph->functions[caller].shown.object = graph->functions[caller].shown.file;
		}
		add_call(graph, caller, 0, (uint32_t)i, graph->functions[i].outermost);
	}
}

static int compare_lines(const void *left, const void *right)
{
	const struct call_line *a = left, *b = right;

	if (a->function != b->function)
		return a->function < b->function ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->callee < b->callee ? -1 : a->callee > b->callee;
}

static void finish(struct call_graph *graph)
{
	call_the_outermost(graph);
	if (graph->nr_lines)
		qsort(graph->lines, graph->nr_lines, sizeof(*graph->lines), compare_lines);
	graph->shown = xcalloc(graph->nr_functions, sizeof(*graph->shown));
	for (size_t i = 0; i < graph->nr_functions; i++)
		graph->shown[i] = graph->functions[i].shown;
	graph->finished = true;
}

const struct call_line *call_graph__lines(struct call_graph *graph, size_t *nr)
{
	if (!graph->finished)
		finish(graph);
	*nr = graph->nr_lines;
	return graph->lines;
}

const struct call_function *call_graph__functions(const struct call_graph *graph, size_t *nr)
{
	*nr = graph->nr_functions;
	return graph->shown;
}

struct amount call_graph__sum(const struct call_graph *graph)
{
	return graph->sum;
}
