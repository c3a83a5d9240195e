/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which allocations are recorded, where HEAPTAP_SAMPLE says that not all are (wire_target.
 * sample_bytes). Along the bytes that a thread allocates, points lie at random distances; a block
 * that has one is a sample. So a thread counts bytes down to the next point, and where an
 * allocation ends before it, that is all there is to do.
 *
 * A block of R bytes or more is always recorded, with or without a point: a thread never counts
 * down from more than R, and looks then whether it was a point it came to.
 */
#ifndef PRELOAD_SAMPLE_H
#define PRELOAD_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "guard.h"

/* A thread's own. An interruption between two of these words moves a point: that is no harm. */
struct sample_thread {
	uint32_t left; /* bytes down to the end of the count; 0: the next call is to look closer */
	uint32_t kept; /* what `left` was, while a call does */
	bool at_point; /* the count ends at one */
	bool begun;
	uint64_t chance;
};

extern __thread struct sample_thread sample_thread
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The most a thread counts down from; 0: all are recorded. */
extern uint32_t sample_every_bytes __attribute__((visibility("hidden")));

/* Begins sampling, every so many bytes (1..CHANCE_MAX_BYTES). Equal seeds choose equally, thread by
 * thread as they come. */
void sample__start(uint32_t every_bytes, uint64_t seed);

/* A forked child goes another way than its parent. */
void sample__forked(uint32_t pid);

/*
 * Is this allocation recorded, and how many does it stand for? Without sampling all are, with
 * *weight 0. To be called once an allocation, between guard__enter and guard__leave; until
 * sample__resume, after the latter, all the thread's calls look closer.
 */
bool sample__chooses(uint64_t bytes, uint32_t *weight);

static inline void sample__resume(const struct guard_call *call)
{
	if (!call->in_handler)
		sample_thread.left = sample_thread.kept;
}

#endif /* PRELOAD_SAMPLE_H */
