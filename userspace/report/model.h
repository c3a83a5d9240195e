/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything known of the watched processes, built from the records of one stream: processes, and
 * what they share: modules, locations, stacks, functions, names. The same whether the records come
 * from the kernel or from a file. No clock, no privilege.
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
#include "report/block_filter.h"
#include "report/moment.h"
#include "report/observer.h"
#include "report/process.h"
#include "symbol/modmap.h"
#include "symbol/sym.h"

struct wire_head;

/* Processes alive at once at most: those beyond are not counted, with a warning. */
#define MODEL_MAX_LIVE 16384

struct model {
	struct process **processes; /* in the order of appearance; ended ones stay */
	size_t nr_processes, processes_capacity;
	size_t nr_live;
	struct hmap by_pid;   /* -> index of the newest process of that pid */
	struct process *last; /* looked for last: most records are its */

	struct stacks *stacks; /* of location indexes of modmap */
	struct modmap *modmap;
	struct functions *functions;
	struct sym *sym;
	struct strtab strings; /* of the stream, by its ids */
	struct strtab names;   /* of the processes */

	uint64_t nr_events; /* allocations, frees and half reallocs of all processes */
	uint64_t nr_lost;
	bool is_snapshot;      /* one of the processes is */
	uint32_t sample_bytes; /* the most of any process; 0: every allocation is recorded */
	uint64_t end_ns;       /* CLOCK_MONOTONIC: of the end, or of the newest record */

	/* When watching began, CLOCK_MONOTONIC; 0: no record has come. Of the stream's machine. */
	uint64_t start_ns;
	struct anchor anchor;

	/* To be set before the first record: reports are of these blocks, and of nothing that came
	 * after the moment `at`. born: from the first moment until before the second. */
	struct block_filter filter;
	struct moment at, born[2];
	uint32_t only_pid; /* only processes of that pid are observed; 0: all */
	/* From `at`: what comes later does not count. UINT64_MAX: all does. */
	uint64_t until_ns;
	struct observer *observers;
	struct observer onlooker; /* does nothing; heaps that are observed know their threads */

	/* Blocks and mappings copied by forks: now, and in all. A stranger's stream must not make
	 * much of little. */
	uint64_t nr_copies_held, nr_copies_made;
	bool warned_live, warned_copies;
	struct process *nobody; /* stands for the first process of a stream that has none */

	/* Where a module's file is open, -1: nowhere; the model duplicates it. NULL: nobody knows.
	 */
	int (*module_fd)(void *data, uint32_t module);
	/* Likewise for sym__use_perf_map; asked before each look-up. */
	int (*perf_map_fd)(void *data);
	void *fd_data; /* of both */
};

struct model *model__new(const struct sym_options *options);
void model__free(struct model *model);

/* Adds an observer, which must outlive the model's last record. Before the first record. */
void model__observe(struct model *model, struct observer *observer);

/* 0, or -EBADMSG for a record that contradicts the stream. Unknown types are ignored. */
int model__apply(struct model *model, const struct wire_head *record);

/* After the last record: forgets all processes but those of only_pid, if that is set. */
void model__keep_only(struct model *model);

/* The process that has, or had last, a pid; NULL: none. */
struct process *model__process(struct model *model, uint32_t pid);
/* The first process: the one that was launched or named. Of pid 0 while there is none. */
const struct process *model__first(const struct model *model);
/* Bytes live in all processes that have not ended. */
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
