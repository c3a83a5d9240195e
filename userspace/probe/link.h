/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attaching the BPF programs to probe sites. Three kinds of link, newest first; which one a kernel
 * has is found by trying, never by its version:
 *
 *   session  one link for both sides of many functions   Linux 6.13 (BPF_TRACE_UPROBE_SESSION)
 *   multi    one link a side for many functions           Linux 6.6 (BPF_TRACE_UPROBE_MULTI)
 *   perf     a perf event a function and side             Linux 5.15 (BPF_LINK_CREATE with a
 * cookie)
 */
#ifndef LINK_H
#define LINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "probe/allocators.h"

enum link_kind { LINK_SESSION, LINK_MULTI, LINK_PERF, NR_LINK_KINDS };

/* "session", "multi", "perf". */
const char *link_kind__name(enum link_kind kind);
/* The expected_attach_type programs of this kind must be loaded with; 0: none. */
int link_kind__attach_type(enum link_kind kind);

/* Descriptors of loaded programs; -1 where the kind does not use one. */
struct link_programs {
	int session; /* session: both sides of every function */
	int enter;   /* multi, perf: entries */
	int leave;   /* multi, perf: returns */
};

/* A growing set of attached links. Zero-initialise. */
struct links {
	int *handles; /* of the keeper (probe/keeper.h) */
	size_t nr, capacity;
};

/*
 * Attaches programs at the sites of the file at path (any path the kernel can open,
 * /proc/PID/map_files included) for the threads of process pid; slot goes into every cookie. 0 or
 * -errno: -EINVAL and -EOPNOTSUPP mean that the kernel does not have this kind. On failure links is
 * as before the call.
 */
int links__attach(struct links *links, enum link_kind kind, const struct link_programs *programs,
		  const char *path, pid_t pid, uint32_t slot, const struct probe_site *sites,
		  size_t nr_sites);

/* Detaches everything, perhaps a moment later (keeper__wait); the probed processes run on. */
void links__detach(struct links *links);

#endif /* LINK_H */
