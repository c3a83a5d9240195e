/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes that are watched, and how they come, change and go. */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "probe/target.h"
#include "source/engine.h"
#include "source/files.h"
#include "source/jitmap.h"
#include "source/mappings.h"
#include "source/queue.h"
#include "wire.h"

struct watched {
	struct target target;
	struct mappings mappings;
	struct jitmap jitmap;
	size_t nr_generated_seen; /* of mappings.nr_generated */
	uint32_t flags;		  /* FOLLOW_* */
	bool is_probed;
	bool has_ended;
};

struct processes {
	struct engine *engine;
	struct queue *queue;
	struct files files;
	struct watched **list; /* in no particular order */
	size_t nr, capacity;
	struct hmap by_pid; /* -> index in list */
	int epoll;	    /* gets the end of each: data.ptr is the struct watched */
	int perf_map;	    /* of one that has ended; -1: none */
	uint64_t sampled_ns;
	bool too_many_told, generators_told;
};

/* engine, queue and epoll stay the caller's. */
void processes__init(struct processes *processes, struct engine *engine, struct queue *queue,
		     int epoll);
/* Everything is detached when it returns. */
void processes__clear(struct processes *processes);

struct watched *processes__find(const struct processes *processes, pid_t pid);

/* Tells the programs the slot and the flags of a process that has mappings: whether it traces
 * others is seen there. 0 or -errno. */
int processes__follow(struct processes *processes, struct watched *watched);

/*
 * Watches a process: queues what it is and what it has mapped, and probes it. target is taken over.
 * target_flags: WIRE_TARGET_*; flags: FOLLOW_*. 0; or -errno after a sentence.
 */
int processes__add(struct processes *processes, struct target *target, uint32_t target_flags,
		   uint32_t flags);

/* The news of the ring, in their order. */
void processes__forked(struct processes *processes, const struct wire_fork *record);
void processes__execed(struct processes *processes, pid_t pid);
void processes__loaded(struct processes *processes, pid_t pid);

/* The process has ended, and all it sent was taken: queues its end. status: its wait status, or 0.
 */
void processes__end(struct processes *processes, struct watched *watched, uint32_t reason,
		    uint32_t status);

/* A descriptor, owned here, of the names of code that a process generated; -1: none. */
int processes__perf_map(struct processes *processes);

/* Queues how much memory each has, once in a while. */
void processes__sample_memory(struct processes *processes);

/* Continues those that were stopped because the ring was nearly full. */
void processes__continue(struct processes *processes);

#endif /* PROCESSES_H */
