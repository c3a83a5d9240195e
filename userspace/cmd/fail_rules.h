/* SPDX-License-Identifier: BSD-2-Clause */
/* The options that say which calls fail, as the programs in the kernel want them. */
#ifndef FAIL_RULES_H
#define FAIL_RULES_H

#include "cmd/opts.h"
#include "inject_abi.h"

/*
 * Bytes of a block: "100" or "=100", ">1M", ">=1M", "<4K", "<=4K", "1K-4K" with both ends in it. K,
 * M and G are powers of 1024. 0, or -EINVAL, also when no size is meant.
 */
int fail_rules__parse_sizes(const char *text, uint64_t *min_bytes, uint64_t *max_bytes);
/* A percentage, "0.5%", of more than 0 and at most 100, as inject_rules has it; at most six
 * decimals count. Likewise. */
int fail_rules__parse_rate(const char *text, uint64_t *rate);

/* All of them. 0, or -EINVAL after a sentence. */
int fail_rules__make(const struct options *options, struct inject_rules *rules);
/* How many calls can fail at most; 0: there is no limit. */
uint64_t fail_rules__limit(const struct inject_rules *rules);

#endif /* FAIL_RULES_H */
