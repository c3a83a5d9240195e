/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything known of the processes of one stream, built from its records. The same whether the
 * records come from the kernel or from a file. No clock, no privilege. Modules, names and stacks are
 * shared by all processes, so that each is looked at once.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/strtab.h"
#include "heap/functions.h"
#include "heap/stacks.h"
#include "report/process.h"
#include "symbol/modmap.h"
#include "symbol/sym.h"

struct wire_head;

struct model {
	struct process **processes; /* in the order of their beginning */
	size_t nr_processes, processes_capacity;
	struct hmap by_pid;	/* of those that live: -> index */
	struct process *newest; /* the one of the record before: most follow one of the same */

	struct stacks *stacks; /* of location indexes of modmap */
	struct modmap *modmap;
	struct sym *sym;
	struct functions functions;

	uint64_t nr_events; /* allocations, frees and half reallocs */
	uint64_t nr_lost;
	uint64_t nr_blocks_copied; /* at forks */

	struct strtab strings; /* of the stream, by its ids */
	/* Where a module's file is open, -1: nowhere; the model duplicates it. NULL: nobody knows.
	 */
	int (*module_fd)(void *data, uint32_t module);
	/* Likewise for sym__use_perf_map; asked before each look-up. */
	int (*perf_map_fd)(void *data);
	void *fd_data; /* of both */
};

struct model *model__new(const struct sym_options *options);
void model__free(struct model *model);

/* 0, or -EBADMSG for a record that contradicts the stream. Unknown types are ignored. */
int model__apply(struct model *model, const struct wire_head *record);

/* The first process: the command, or the one attached to first. NULL: there is none yet. */
const struct process *model__first(const struct model *model);
/* The bytes live in all that have not ended. */
uint64_t model__live_bytes(const struct model *model);

/* Looks up the names of nr locations of the modmap: sym__resolve. */
void model__resolve(struct model *model, const uint32_t *locations, uint32_t nr,
		    void (*progress)(uint32_t done, uint32_t modules, void *data), void *data);

/*
 * Looks up the names of every location of nr stacks, given by index of `stacks` (the model's own,
 * or another set of its locations). progress as in sym__resolve, may be NULL.
 */
void model__resolve_stacks(struct model *model, const struct stacks *stacks,
			   const uint32_t *indexes, size_t nr,
			   void (*progress)(uint32_t done, uint32_t modules, void *data),
			   void *data);

#endif /* MODEL_H */
