/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The consumer of the ring: turns what is in it into a recording and gives that to a sink.
 * Whichever thread finds that there is enough does the work, if no other does. A shared ring has
 * its consumer elsewhere, and this is what it replaces.
 */
#ifndef PRELOAD_STREAM_H
#define PRELOAD_STREAM_H

#include <stdint.h>

#include "sink.h"

#define STREAM_MEMORY (64u << 10)

/* memory: STREAM_MEMORY bytes. sink: where it goes once stream__open was called. */
void stream__init(const struct sink *sink, void *memory);

/* The program is about to start: what may take a moment is done now. */
void stream__open(void);

/* Called after each event: does what is due. Often nothing. */
void stream__drain_some(uint64_t now_ns);

/* As ring__reserve, after waiting for at most the time that is allowed, once a stall. */
void *stream__wait_for_room(uint32_t bytes);

/* Writes what there is; ended: and the end of the recording, for the program is about to be gone.
 * Waits for a sink that is slow, but not for long. */
void stream__finish(bool ended);
/* It is not gone after all. */
void stream__resume(void);

/* In a forked child, which has one thread: a recording of its own begins with its next event. The
 * ring is empty. */
void stream__forked(void);

#endif /* PRELOAD_STREAM_H */
