/* SPDX-License-Identifier: BSD-2-Clause */
/* The arithmetic of sampling (wire_target.sample_bytes): integers alone, no libm, no state but the
 * caller's. */
#ifndef PRELOAD_CHANCE_H
#define PRELOAD_CHANCE_H

#include <stdint.h>

/* R, the mean distance of two samples, is at most this. */
#define CHANCE_MAX_BYTES (1u << 30)

/* Mixes all bits of a number: the beginning of a sequence is made of what is nearly the same. */
uint64_t chance__mix(uint64_t number);

/* The next number of a sequence, whose state any word may be. */
uint64_t chance__next(uint64_t *state);

/* How many bytes there are up to the next sample, that one included: at least 1, of exponential
 * distribution with the mean `every` (1..CHANCE_MAX_BYTES), rounded up. */
uint64_t chance__gap(uint64_t *state, uint32_t every);

/* The weight of a sample of `bytes` bytes, 0 < bytes < every: one of the two whole numbers around
 * 1 / (1 - exp(-bytes / every)), such that this is the mean. */
uint32_t chance__weight(uint64_t *state, uint32_t bytes, uint32_t every);

#endif /* PRELOAD_CHANCE_H */
