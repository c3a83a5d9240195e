/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events on their way to a file: kept for a moment, so that the names of their stacks can be looked
 * up many at a time, then handed on in their order.
 */
#ifndef EVENTLOG_H
#define EVENTLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "report/model.h"

enum logged_kind {
	LOGGED_ALLOC,
	LOGGED_FREE,
	LOGGED_UNKNOWN_FREE, /* of an address where no known block lives */
	LOGGED_REPLACED,     /* a block is gone whose free was never seen */
	LOGGED_FAILED,	     /* an allocation */
	LOGGED_EXEC,	     /* another program: all blocks of the process are gone */
	LOGGED_END,	     /* the watching of the process has ended: what lives is left */
	LOGGED_FORK,	     /* a child, whose pid is in tid, has all blocks of the process, too */
};

struct logged_event {
	enum logged_kind kind;
	bool by_realloc; /* one half of it: first a free, then an allocation */
	uint16_t func;
	uint32_t tid;
	uint32_t stack;	 /* index; 0: none */
	uint32_t weight; /* how many like it this one stands for; 1 where all is recorded */
	uint64_t time_ns;
	uint64_t addr;	/* of the block; FAILED and what is of a process: 0 */
	uint64_t bytes; /* of the block, or asked for in vain; UNKNOWN_FREE and what is of a
			 * process: 0 */
	uint64_t old_addr, old_bytes; /* ALLOC, FAILED by a realloc: its old block; 0: not known */
	const struct process *process;
	const char *exe; /* of the process at that moment; NULL: unknown */
};

/* Takes an event; the names of its stack are there. 0, or -errno to end it all. */
typedef int (*logged_fn)(const struct logged_event *event, void *data);

struct eventlog;

struct eventlog *eventlog__new(struct model *model, logged_fn take, void *data);
void eventlog__free(struct eventlog *log);
/* Adds everything that happens to blocks that pass the model's filter. Calls that have no block
 * (UNKNOWN_FREE, FAILED) are left out when the filter wants anything of a block. Before the model's
 * first record. */
void eventlog__observe(struct eventlog *log);

/* An event of the model's, as it is logged. */
struct logged_event logged_event__of(const struct model *model, const struct process *process,
				     const struct heap_event *event);
/* The allocation of a live block. */
struct logged_event logged_event__of_block(const struct model *model, const struct process *process,
					   const struct heap_block *block);
/* EXEC or END of a process, at this moment. */
struct logged_event logged_event__of_process(const struct model *model,
					     const struct process *process, enum logged_kind kind);
/* Is it EXEC, END or FORK? */
bool logged_event__is_of_process(const struct logged_event *event);
/* Does the filter pass all blocks, apart from their age? */
bool logged_event__passes_all(const struct block_filter *filter);

/* What take returns shows at the next drain. */
void eventlog__add(struct eventlog *log, const struct logged_event *event);
/* Hands on what there is. 0, or what take returned once. */
int eventlog__drain(struct eventlog *log);

#endif /* EVENTLOG_H */
