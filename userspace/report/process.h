/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One watched process: who it is, its heap, its mappings, how it ended. Once it has ended, only
 * what a report needs is kept of it.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strtab.h"
#include "heap/heap.h"
#include "heap/stacks.h"
#include "report/sites.h"
#include "symbol/space.h"

struct wire_end;
struct wire_memory;
struct wire_target;

/* Memory the process has of the kernel, against what it allocated; all of the moment at which the
 * former exceeds the latter the most. */
struct process_memory {
	bool known;
	uint64_t first_bytes;	  /* what it had when it was first looked at, stacks apart */
	uint64_t growth_bytes;	  /* since then */
	uint64_t allocated_bytes; /* at most live until then, and what allocators add a block */
};

struct observer;

struct process {
	size_t number; /* from 0, in the order of appearance */
	uint32_t pid;
	uint32_t parent; /* the process that forked it; 0: it was not watched */
	/* NULL until told; cmdline: arguments separated by blanks. The strtab's: most processes of
	 * a tree are called like many others. */
	const char *exe, *cmdline;
	uint64_t started_ns; /* CLOCK_REALTIME */
	bool launched;
	bool is_snapshot; /* what was live, without how it came to that (WIRE_TARGET_SNAPSHOT) */
	uint32_t sample_bytes; /* about one allocation for each so many is recorded; 0: all are */
	/* From the first instruction of its program on, or as the child of one that was: every
	 * block it can free has been seen. */
	bool watched_whole;
	bool whole_after_exec; /* it shares its parent's memory until then */
	bool shares_heap;      /* began as a copy of its parent, and has not exec'ed since */

	struct heap *heap;   /* NULL once ended */
	struct space *space; /* NULL once ended with nothing that needs it */
	struct process_memory memory;

	bool ended;
	uint32_t end_reason, end_status; /* of its wire_end; reason 0: none came */
	uint64_t end_ns;		 /* CLOCK_MONOTONIC */
	/* Of the end, when there is no heap any more. */
	struct heap_totals end_totals;
	struct sites end_sites;

	struct observer *observers; /* the model's; NULL: none */
	uint64_t nr_copied; /* blocks and mappings it has from its parent: the model's bound */
};

/* A process of which nothing is known yet; its heap and its mappings are empty. */
struct process *process__new(uint32_t pid, struct modmap *map);
/* A child that begins with copies of its parent's heap and mappings. The parent is alive. */
struct process *process__fork(const struct process *parent, uint32_t child);
void process__free(struct process *process);

/* texts keeps its names. */
void process__set_target(struct process *process, const struct wire_target *record,
			 struct strtab *texts);
/* It has replaced its image: heap and mappings are empty, all figures begin anew. */
void process__exec(struct process *process, struct modmap *map);
void process__add_memory(struct process *process, const struct wire_memory *record);
/* Those begin to see it. It must not move from now on. */
void process__observe(struct process *process, struct observer *observers);
/* It ended at end_ns. What is live is added up (sites__count) and let go. */
void process__end(struct process *process, const struct stacks *stacks, uint64_t end_ns,
		  const struct block_filter *filter);

const struct heap_totals *process__totals(const struct process *process);

#endif /* PROCESS_H */
