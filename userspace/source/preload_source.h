/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the preload source share: preload_begin.c launches the command, preload.c runs
 * the source, preload_processes.c says which processes there are and how they came to be,
 * preload_drain.c takes their rings, preload_execs.c says which programs have none.
 */
#ifndef PRELOAD_SOURCE_H
#define PRELOAD_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "source/queue.h"
#include "source/ring_socket.h"
#include "source/shared_ring.h"
#include "source/source.h"
#include "source/stream_ids.h"
#include "wire.h"

/* A program that a process runs or has run, with its ring. */
struct image {
	struct shared_ring ring;
	uint64_t number; /* of those of its pid, from 1 */
	struct local_ids ids;
	struct image *next;	 /* what the process has called exec for after it */
	uint32_t until;		 /* limited: nothing behind this position counts */
	bool limited, drained;	 /* drained: as far as it was looked at last */
	uint64_t waits_since_ns; /* for the other side; 0: it does not */
};

struct preloaded {
	pid_t pid;
	int pidfd;	      /* -1: this kernel has none */
	struct image *images; /* in their order; the first is being read. NULL: none (any more) */
	struct wire_target *target; /* the last that was told; NULL: none */
	uint64_t since_ns;	    /* it is known */
	uint64_t ended_round;	    /* in which it was found to have ended; 0: it lives */
	bool begun;		    /* the stream knows of it */
	bool had_image;
};

/* Programs that processes have become and that have not shown yet that they are watched. */
struct preload_execs {
	struct pending_exec *list;
	size_t nr;
	struct hmap nr_rings; /* by pid: that have ever come */
	char **told;	      /* of which it was said that they are not */
	size_t nr_told, told_capacity;
};

struct preload_source {
	struct source source;
	struct preload_source_config config;
	struct ring_socket socket;
	struct stream_ids ids;
	struct queue queue;
	struct preloaded **list; /* in no particular order */
	size_t nr, capacity;
	struct hmap by_pid; /* -> index in list */
	pid_t command;
	char *command_name, *library; /* library: config's own copy */
	bool command_exists;	      /* it was not collected yet */
	int command_status;
	int epoll;
	bool stopping, ended;
	uint64_t round, sampled_ns, looked_ns;
	uint64_t nr_records, nr_rings; /* taken */
	struct preload_execs execs;
	bool any_image; /* some process has loaded the library */
	/* Where records go while the source is pumped. */
	record_fn take;
	void *take_data;
	uint64_t buffer[WIRE_MAX_RECORD / 8 + 1]; /* a record that is being looked at */
};

/* preload_processes.c */

struct preloaded *preloaded__find(const struct preload_source *self, pid_t pid);
struct preloaded *preloaded__add(struct preload_source *self, pid_t pid);
/* Queues what the process is, before it tells so itself. Texts without NUL. */
void preloaded__tell(struct preload_source *self, struct preloaded *process, uint32_t flags,
		     const char *exe, const char *cmdline, size_t cmdline_len);
/* Keeps a WIRE_TARGET, for the process's children. */
void preloaded__keep_target(struct preloaded *process, const struct wire_target *record);
/* A ring has been handed over by pid; the descriptor is closed. */
void preloaded__greet(struct preload_source *self, pid_t pid, int fd);
/* The parent's ring says that it has forked: the child begins. */
void preloaded__forked(struct preload_source *self, struct preloaded *parent, pid_t child,
		       uint64_t time_ns);
/* May the records of a process be handed on? Begins it, where it does not wait for its parent
 * (force: any more). */
bool preloaded__begin(struct preload_source *self, struct preloaded *process, bool force);
/* The first image is done with: the next one is what the process runs. */
void preloaded__exec(struct preload_source *self, struct preloaded *process);
/* Queues its end and forgets it. */
void preloaded__end(struct preload_source *self, struct preloaded *process, uint32_t reason);
/* Marks those that have ended. */
void preloaded__look(struct preload_source *self);
void preloaded__free_all(struct preload_source *self);
/* Waits for the command with these options of waitpid. */
void preload_source__collect(struct preload_source *self, int options);

/* preload_drain.c */

/* Hands on what a process's rings hold now. 0; -errno. preloaded.images says what is left. */
int preloaded__drain(struct preload_source *self, struct preloaded *process);
/* What was queued goes first. 0, or what take returned. */
int preload_source__hand_on(struct preload_source *self, const struct wire_head *record);

/* preload_execs.c */

/* A ring of a process has come; its number among those of that pid. */
uint64_t preload_execs__ring_came(struct preload_source *self, pid_t pid);
/* A process that has had so many rings has said that it calls exec. */
void preload_execs__add(struct preload_source *self, pid_t pid, uint64_t nr_rings,
			const struct ring_exec *record);
/* After all rings were taken: says what is not watched. at_end: nothing is waited for any more. */
void preload_execs__look(struct preload_source *self, bool at_end);
void preload_execs__clear(struct preload_execs *execs);

/* preload.c: fills in what does not depend on the command. */
void preload_source__init(struct preload_source *self);

#endif /* PRELOAD_SOURCE_H */
