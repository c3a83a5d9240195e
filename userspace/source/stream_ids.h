/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the ids of one process to those of the stream: each preload library counts its modules and
 * stacks for itself, a stream has one number for each.
 */
#ifndef STREAM_IDS_H
#define STREAM_IDS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "source/queue.h"
#include "wire.h"

/* What the processes of a stream have together. Zero-initialise. */
struct stream_ids {
	struct stream_module *modules; /* by the stream's id */
	size_t nr_modules, capacity;
	struct hmap by_hash; /* of path and build-id -> the newest such id + 1 */
	uint32_t nr_stacks;
};

/* The ids of one image of a process, as the stream has them. Zero-initialise. */
struct local_ids {
	uint32_t *modules; /* by the process's id */
	size_t nr_modules, capacity;
	struct hmap stacks;
};

void stream_ids__clear(struct stream_ids *ids);
void local_ids__clear(struct local_ids *ids);

/* The descriptor of a module's file, owned here; -1: none. */
int stream_ids__fd(const struct stream_ids *ids, uint32_t module);

/* A module that a process told of: its record is queued where the stream does not have it. */
void local_ids__add_module(struct local_ids *local, struct stream_ids *ids,
			   const struct wire_module *record, pid_t pid, struct queue *queue);

/* Gives a record the ids of the stream: of modules, stacks. 0; -EBADMSG: it names what was never
 * told of. A stack that was lost is none. */
int local_ids__translate(struct local_ids *local, struct stream_ids *ids, struct wire_head *record);

#endif /* STREAM_IDS_H */
