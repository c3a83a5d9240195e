/* SPDX-License-Identifier: BSD-2-Clause */
/* The loaded BPF programs: the best kind of link this kernel has, the ring, the counters. */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probe/link.h"
#include "source/ring.h"
#include "source/unwind_tables.h"

struct heaptap_bpf;

struct engine {
	struct heaptap_bpf *skeleton;
	enum link_kind kind;
	struct link_programs programs;
	struct links links;
	struct ring ring;
	struct bpf_source_config config;
	int exec_link;
	struct unwind_tables tables;
};

/* Loads the programs. Says why not and returns -errno. */
int engine__open(struct engine *engine, const struct bpf_source_config *config);
/* Detaches everything. */
void engine__close(struct engine *engine);

/* Probes the sites of the file at path in process pid. 0 or -errno (not logged). */
int engine__attach(struct engine *engine, const char *path, pid_t pid,
		   const struct probe_site *sites, size_t nr_sites);
/* From this moment on, for all probes at once, the calls of process pid are recorded. */
void engine__watch(struct engine *engine, pid_t pid);
void engine__unwatch(struct engine *engine);
/* Removes the probes; the ring stays readable. */
void engine__detach(struct engine *engine);

/* How often the process has replaced its image; and that the unwind tables are of the image it had
 * then. Until told so, the kernel's walker does not use them. */
uint32_t engine__epoch(const struct engine *engine);
void engine__set_tables_epoch(struct engine *engine, uint32_t epoch);

/* Of stacks: distinct ones sent, and walks the kernel ended early, by reason. */
struct engine_counts {
	uint64_t stacks, cut, gap, lost;
	uint64_t not_kept; /* sent again each time, because the kernel's table was full */
};
struct engine_counts engine__counts(const struct engine *engine);

uint64_t engine__nr_lost(const struct engine *engine);
/* Not NULL once loaded: the target is stopped because the ring is nearly full. */
volatile uint32_t *engine__stopped(struct engine *engine);

#endif /* ENGINE_H */
