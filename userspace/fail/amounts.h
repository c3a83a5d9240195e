/* SPDX-License-Identifier: BSD-2-Clause */
/* Which calls are meant, as a user writes it: by bytes, by rate. Pure. */
#ifndef FAIL_AMOUNTS_H
#define FAIL_AMOUNTS_H

#include <stdint.h>

/* What fail_amounts__parse_rate has for 100%. */
#define FAIL_RATE_ALL 100000000u

/*
 * Bytes of a block: "100" or "=100", ">1M", ">=1M", "<4K", "<=4K", "1K-4K" with both ends in it. K,
 * M and G are powers of 1024. 0, or -EINVAL, also when no size is meant.
 */
int fail_amounts__parse_sizes(const char *text, uint64_t *min_bytes, uint64_t *max_bytes);
/* A percentage, "0.5%", of more than 0 and at most 100, in millionths of a percent; at most six
 * decimals count. Likewise. */
int fail_amounts__parse_rate(const char *text, uint32_t *rate);

#endif /* FAIL_AMOUNTS_H */
