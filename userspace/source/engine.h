/* SPDX-License-Identifier: BSD-2-Clause */
/* The loaded BPF programs: the best kind of link this kernel has, the ring, the counters. */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probe/link.h"
#include "source/ring.h"
#include "source/source.h"
#include "source/unwind_space.h"
#include "source/unwind_tables.h"

struct heaptap_bpf;
struct inject;
struct inject_counts;

struct engine {
	struct heaptap_bpf *skeleton;
	enum link_kind kind;
	struct link_programs programs;
	struct links own_links; /* of the trial */
	struct ring ring;
	struct bpf_source_config config;
	int exec_link, fork_link, exit_link;
	struct unwind_tables tables;
	struct unwind_slots slots;
	struct inject *inject; /* NULL: nothing is made to fail */
};

/* Loads the programs. Says why not and returns -errno. */
int engine__open(struct engine *engine, const struct bpf_source_config *config);
/* Detaches everything. */
void engine__close(struct engine *engine);

/* Probes the sites of the file at path in process pid, which has that slot; the links are added to
 * *links. 0 or -errno (not logged). */
int engine__attach(struct engine *engine, struct links *links, const char *path, pid_t pid,
		   uint32_t slot, const struct probe_site *sites, size_t nr_sites);
/* From this moment on, for all probes at once, calls are recorded; and not any more. */
void engine__watch(struct engine *engine);
void engine__unwatch(struct engine *engine);

/* Process pid has slot; flags: FOLLOW_* of bpf/follow_abi.h. 0 or -errno. */
int engine__follow(struct engine *engine, pid_t pid, uint32_t slot, uint32_t flags);
/* The flags the programs have given a child; 0: it is not followed. */
uint32_t engine__follow_flags(const struct engine *engine, pid_t pid);
/* The wait status of a followed process that has ended; 0 where it is not known. */
uint32_t engine__exit_status(const struct engine *engine, pid_t pid);
void engine__forget(struct engine *engine, pid_t pid);
/* The BPF maps of the followed processes and of their slots. */
int engine__followed_fd(const struct engine *engine);
int engine__processes_fd(const struct engine *engine);

/* Of stacks: distinct ones sent, and walks the kernel ended early, by reason. */
struct engine_counts {
	uint64_t stacks, cut, gap, lost;
	uint64_t not_kept; /* sent again each time, because the kernel's table was full */
};
struct engine_counts engine__counts(const struct engine *engine);

/* Of calls that are made to fail. */
void engine__inject_counts(const struct engine *engine, struct inject_counts *counts);

uint64_t engine__nr_lost(const struct engine *engine);
/* Not NULL once loaded: some process is stopped because the ring is nearly full. */
volatile uint32_t *engine__stopped(struct engine *engine);

#endif /* ENGINE_H */
