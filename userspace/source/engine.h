/* SPDX-License-Identifier: BSD-2-Clause */
/* The loaded BPF programs: the best kind of link this kernel has, the ring, the counters. */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probe/link.h"
#include "source/ring.h"

struct heaptap_bpf;

struct engine {
	struct heaptap_bpf *skeleton;
	enum link_kind kind;
	struct link_programs programs;
	struct links links;
	struct ring ring;
	uint64_t ring_bytes;
	bool lossless;
	int exec_link;
	pid_t watched; /* 0: nothing is recorded */
};

/* Loads the programs. Says why not and returns -errno. ring_bytes is rounded up to a power of two.
 */
int engine__open(struct engine *engine, uint64_t ring_bytes, bool lossless);
/* Detaches everything. */
void engine__close(struct engine *engine);

/* Probes the sites of the file at path in process pid. Falls back to older kinds of link at the
 * first call, when the kernel turns out not to have the newer. 0 or -errno (not logged). */
int engine__attach(struct engine *engine, const char *path, pid_t pid,
		   const struct probe_site *sites, size_t nr_sites);
/* From this moment on, for all probes at once, the calls of process pid are recorded. */
void engine__watch(struct engine *engine, pid_t pid);
void engine__unwatch(struct engine *engine);
/* Removes the probes; the ring stays readable. */
void engine__detach(struct engine *engine);

uint64_t engine__nr_lost(const struct engine *engine);
/* Not NULL once loaded: the target is stopped because the ring is nearly full. */
volatile uint32_t *engine__stopped(struct engine *engine);

#endif /* ENGINE_H */
