/* SPDX-License-Identifier: BSD-2-Clause */
/* What all parts of a recording process share. Set up once, before the first event. */
#ifndef PRELOAD_RECORDER_H
#define PRELOAD_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "ring.h"
#include "stacks.h"
#include "unwind.h"

struct recorder {
	struct config config;
	struct ring *ring;
	struct stacks stacks;
	const struct unwinder *unwinder;
	bool shared;	 /* the ring is read by another process (shared.h) */
	uint32_t pid;	 /* whose heap this is: a child by vfork works on its parent's */
	uint32_t parent; /* of a forked child: whose heap it was; 0: it began with its program */
	uint32_t generation; /* of the stream; from 1 */
	uint32_t epoch;	     /* how often code was unloaded */
};

extern struct recorder recorder;

/*
 * Who reads a shared ring is heaptap itself, which does not run on a MIPS: nothing of it is needed
 * there, and the library is to be small.
 */
#ifdef __mips__
#define RECORDER_MAY_SHARE 0
#else
#define RECORDER_MAY_SHARE 1
#endif

static inline bool recorder__is_shared(void)
{
	return RECORDER_MAY_SHARE && recorder.shared;
}

#endif /* PRELOAD_RECORDER_H */
