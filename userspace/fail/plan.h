/* SPDX-License-Identifier: BSD-2-Clause */
/* What is to fail, as the preload library wants to be told (docs/preload.md). */
#ifndef FAIL_PLAN_H
#define FAIL_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct fail_wishes {
	const char *sizes;	   /* "100", ">1M", "<=4K", "1K-4K"; NULL: any */
	const char *rate;	   /* "0.5%"; NULL: none */
	const char *only;	   /* name of a file or function on the stack; NULL: any */
	const char *program;	   /* the command's file name: it is a file, too */
	uint64_t nth, seed, count; /* 0: not given */
	bool many, persistent;
};

/*
 * The value of HEAPTAP_FAIL, for the caller to free. NULL: *why, to be freed, is the sentence that
 * says what is wrong.
 */
char *fail_plan__rules(const struct fail_wishes *wishes, char **why);

/* Is one run all there is to do? Otherwise each run finds other paths. */
static inline bool fail_plan__is_one_run(const struct fail_wishes *wishes)
{
	return wishes->nth || wishes->rate;
}

#endif /* FAIL_PLAN_H */
