/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who called whom on the way to what was allocated: stacks folded into functions, each with what it
 * cost itself and by the functions it called, line by line.
 *
 * A call's cost is what it added that its callee does not have already: in a stack where a function
 * occurs more than once, only the outermost call to it is charged; the others are there, for
 * nothing. So the costs of all calls to a function add up to its inclusive cost, recursion or not,
 * and never to more than everything.
 */
#ifndef CALL_GRAPH_H
#define CALL_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "report/costs.h"
#include "report/frames.h"

/* Texts are printable and not empty, "???" where nothing is known. No two functions of a graph have
 * both file and name in common: where modules have functions of one name, their names are added. */
struct call_function {
	const char *name, *file, *object; /* object: the path of its module */
	uint32_t line;			  /* the lowest that was met; 0: none is known */
};

#define CALL_SELF UINT32_MAX

/* What one line of a function costs, itself or by one function it calls. */
struct call_line {
	uint32_t function;
	uint32_t line;	 /* 0: unknown */
	uint32_t callee; /* CALL_SELF: the line itself, an allocation */
	struct amount cost;
	uint64_t nr_calls; /* blocks that were allocated behind it; of a call at least 1 */
};

struct call_graph;

struct call_graph *call_graph__new(void);
void call_graph__free(struct call_graph *graph);

/* A stack, innermost frame first, and what was allocated by it. */
void call_graph__add(struct call_graph *graph, const struct frame *frames, uint32_t nr_frames,
		     struct amount amount);

/*
 * After the last stack: all lines, sorted by function, line and callee. A function that was both
 * called and the outermost of some stack is then called by one named "(outermost)", too. Both
 * arrays live as long as the graph.
 */
const struct call_line *call_graph__lines(struct call_graph *graph, size_t *nr);
const struct call_function *call_graph__functions(const struct call_graph *graph, size_t *nr);
struct amount call_graph__sum(const struct call_graph *graph);

#endif /* CALL_GRAPH_H */
