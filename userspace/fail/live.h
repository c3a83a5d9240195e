/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the processes of a run have not freed at their ends, by stacks that mean the same in every
 * run; and what of that an undisturbed run does not leave. From snapshots that the library in them
 * writes (docs/preload.md).
 */
#ifndef FAIL_LIVE_H
#define FAIL_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "fail/leaks.h"

/* Stacks at most; what is beyond makes it incomplete. */
#define FAIL_MAX_LIVE 1000000

struct fail_live_site {
	uint64_t stack_key, call_key; /* of the function and all frames, of the innermost */
	uint64_t way_key;	      /* of all frames */
	uint64_t blocks, bytes;	      /* in the process that has most of them */
	struct fail_stack stack;      /* only of what is more than the other has; else empty */
};

/* Zero-initialise. */
struct fail_live {
	struct fail_live_site *sites;
	size_t nr, capacity;
	struct hmap by_stack;  /* -> index */
	struct hmap by_call;   /* -> blocks, in the process that has most of them */
	struct hmap ways;      /* stacks by which was allocated at all; of undisturbed runs */
	struct hmap resizing;  /* those of these calls that give a block another size */
	uint64_t nr_processes; /* that have told */
	bool incomplete;       /* of one of them something is not known */
};

/*
 * The value of HEAPTAP_SNAPSHOT that lets processes write into folder; for the caller to free.
 */
char *fail_live__pattern(const char *folder);
/*
 * Adds what nr processes, by pid, had left when they ended, as their last snapshots in folder tell;
 * who has written none has nothing. usual: stacks are wanted where there is more than in that;
 * NULL: none are.
 */
void fail_live__read(struct fail_live *live, const char *folder, const pid_t *pids, size_t nr,
		     const struct fail_live *usual);
/* Removes all snapshots of folder. */
void fail_live__remove(const char *folder);
void fail_live__clear(struct fail_live *live);

/* Takes one site over, whose blocks and bytes are of one process, as fail_live__read does. */
void fail_live__add(struct fail_live *live, struct fail_live_site *site);

/* The call_key of a call that returns to this frame. */
uint64_t fail_live__call_key(const struct fail_frame *frame);

/*
 * What live has and usual has not: blocks by a stack, by which usual has allocated, too, and no
 * more of them than the same call of the allocator has in excess by all stacks; so what is merely
 * allocated by another way, as a buffer that the first use makes, is none. As many less, the
 * smallest first, as usual has more of calls that resize and of those that failed (their keys): a
 * block that was to be replaced and was not is none either. To be cleared. Nothing when either is
 * incomplete.
 */
struct fail_leaks fail_live__compare(const struct fail_live *live, const struct fail_live *usual,
				     const uint64_t *failed_calls, size_t nr_failed);

#endif /* FAIL_LIVE_H */
