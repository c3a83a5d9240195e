/* SPDX-License-Identifier: BSD-2-Clause */
/* HEAPTAP_FAIL: which allocations are made to fail. */
#ifndef PRELOAD_FAIL_RULES_H
#define PRELOAD_FAIL_RULES_H

#include <stdbool.h>
#include <stdint.h>

#define FAIL_RATE_ONE 1000000u /* all calls */

/* All that is said must be true of a call. */
struct fail_rules {
	bool given;
	bool path;	 /* only call paths that are not known yet */
	bool persistent; /* once one has failed, all that the filters below let pass do */
	uint32_t nth;	 /* the nth of these calls, from 1; 0: any */
	uint32_t rate;	 /* of FAIL_RATE_ONE calls; 0: not said */
	uint32_t seed;
	uint32_t count; /* so many at most; 0: no limit */
	/* Filters. */
	uint64_t min_bytes, max_bytes;
	char module[64];    /* a frame is in a file of this name; "": any */
	char function[128]; /* a frame is in the exported function of this name */
};

/* Reads a list such as "path,size>1M". False: it is not understood, and *rules is not given. */
bool fail_rules__parse(struct fail_rules *rules, const char *text);

/* By its number, from 1, alone: by nth, rate and seed. */
bool fail_rules__chosen(const struct fail_rules *rules, uint32_t number);

static inline bool fail_rules__fits(const struct fail_rules *rules, uint64_t bytes)
{
	return bytes >= rules->min_bytes && bytes <= rules->max_bytes;
}

#endif /* PRELOAD_FAIL_RULES_H */
