/* SPDX-License-Identifier: BSD-2-Clause */
/* The options that say which calls fail, as the programs in the kernel want them. */
#ifndef FAIL_RULES_H
#define FAIL_RULES_H

#include "cmd/opts.h"
#include "inject_abi.h"

/* All of them. 0, or -EINVAL after a sentence. */
int fail_rules__make(const struct options *options, struct inject_rules *rules);
/* How many calls can fail at most; 0: there is no limit. */
uint64_t fail_rules__limit(const struct inject_rules *rules);

#endif /* FAIL_RULES_H */
