/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All costs of every call site of every process, added up while a stream is read: allocated, freed,
 * live, live at the peak, temporary. An observer of the model.
 *
 * The peak of a process is the first moment at which most bytes were live in it, whatever the
 * model's filter leaves out of the sites.
 */
#ifndef PROFILE_H
#define PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "report/costs.h"
#include "report/model.h"

struct profile_site {
	uint32_t stack; /* index; several sites may have the same, by different functions or ids */
	uint16_t func;
	struct costs costs;
};

/* Of one process. */
struct profile_process {
	const struct profile_site *sites;
	size_t nr_sites;
	uint64_t peak_ns; /* when the peak was first reached; 0: nothing was ever live */
	struct amount peak;
};

struct profile;

/* Begins to observe a model, before its first record. Freed before or after the model. */
struct profile *profile__new(struct model *model);
void profile__free(struct profile *profile);

/* What has come of a process so far. Lives until the next record. */
struct profile_process profile__of(struct profile *profile, const struct process *process);

#endif /* PROFILE_H */
