/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring whose consumer is another process, the heaptap that started the program (bpf/ring_abi.h):
 * it replaces the stream and its sink. The memory is mapped at one address for the life of the
 * process; a forked child has a ring of its own there.
 */
#ifndef PRELOAD_SHARED_H
#define PRELOAD_SHARED_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "ring.h"

/* Makes recorder.ring, with a catalogue that the modules write. False: it cannot be had. */
bool shared__init(void);

/* Hands the ring over, when the catalogue says what there is. False: nobody listens. */
bool shared__offer(void);

/* As ring__reserve, after waiting for at most the time that is allowed; not where nobody reads. */
void *shared__wait_for_room(uint32_t bytes, struct ring_claim *claim);

/* The program is about to be gone: what is left half done is given up. */
void shared__finish(void);

/* Nobody reads any more. */
bool shared__is_closed(void);

/* This thread is about to fork; it has forked, or failed to. */
void shared__before_fork(void);
void shared__after_fork(void);
/* What fork has returned to the parent, where that is known: after the other two. */
void shared__fork_returned(int32_t pid);

/* Process pid, this one or a child in its memory, is about to become (posix_spawn: is) the program at
 * path, "" where that is not known; NULL: it has failed to. */
void shared__exec(uint32_t pid, const char *path);

/* In a forked child: tells its parent's ring, and has one of its own. False: it has none. */
bool shared__forked(void);

#endif /* PRELOAD_SHARED_H */
