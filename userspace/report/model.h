/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything known of one watched process, built from its records: heap, stacks, mappings, names.
 * The same whether the records come from the kernel or from a file. No clock, no privilege.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strtab.h"
#include "heap/heap.h"
#include "heap/stacks.h"
#include "symbol/modmap.h"
#include "symbol/sym.h"

struct wire_head;

struct model {
	/* The target. */
	uint32_t pid;
	char *exe, *cmdline; /* NULL until told; cmdline: arguments separated by blanks */
	uint64_t started_ns; /* CLOCK_REALTIME */
	bool launched;

	struct heap *heap;
	struct stacks *stacks; /* of location indexes of modmap */
	struct modmap *modmap;
	struct sym *sym;

	uint64_t nr_events; /* allocations, frees and half reallocs */
	uint64_t nr_lost;
	bool ended;
	uint32_t end_reason; /* WIRE_END_*, once ended */
	uint64_t end_ns;     /* CLOCK_MONOTONIC: of the end, or of the newest record */

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
