/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything known of one process of a stream: who it is, its heap, its address space, its end. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "heap/heap.h"
#include "symbol/space.h"

struct wire_memory;
struct wire_target;

/* Memory it had of the kernel (WIRE_MEMORY), since its last exec. */
struct memory_use {
	bool known;
	uint64_t first_bytes, peak_bytes; /* resident and anonymous, but for the stack */
	uint64_t first_live_bytes;	  /* of the heap at the first */
};

struct process {
	uint32_t pid, parent; /* parent 0: the first of its tree, or not known */
	char *exe, *cmdline;  /* NULL until told; cmdline: arguments separated by blanks */
	uint64_t started_ns;  /* CLOCK_REALTIME */
	bool launched;	      /* watched from its first instruction */
	bool ended;
	uint32_t end_reason;   /* WIRE_END_*, once ended */
	uint32_t end_status;   /* wait status; 0: success, or not known */
	uint64_t end_ns;       /* CLOCK_MONOTONIC: of the end, or of the newest record */
	uint64_t nr_events;    /* allocations, frees and half reallocs, of its own */
	struct heap *heap;
	struct space *space;
	struct memory_use memory;
};

/* parent NULL: it begins with nothing; else with a copy of its heap and mappings. */
struct process *process__new(uint32_t pid, const struct process *parent);
void process__free(struct process *process);

void process__set_target(struct process *process, const struct wire_target *record);
void process__exec(struct process *process);
void process__set_memory(struct process *process, const struct wire_memory *record);
/* It ended: what only its records need is given back. */
void process__end(struct process *process, uint64_t time_ns, uint32_t reason, uint32_t status);

#endif /* PROCESS_H */
