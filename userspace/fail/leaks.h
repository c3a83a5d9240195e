/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks that the program has forgotten after a failure: the worst of them with their stacks. */
#ifndef FAIL_LEAKS_H
#define FAIL_LEAKS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fail/stack.h"

/* Stacks that are kept of a run. */
#define FAIL_MAX_LEAKS 5

struct json_doc;
struct json_value;

struct fail_leak {
	uint64_t blocks, bytes;
	struct fail_stack stack;
};

struct fail_leaks {
	uint64_t blocks, bytes; /* of all stacks */
	struct fail_leak worst[FAIL_MAX_LEAKS];
	size_t nr; /* of the worst, most bytes first */
};

/* Takes the stack over. */
void fail_leaks__add(struct fail_leaks *leaks, struct fail_leak *leak);
void fail_leaks__clear(struct fail_leaks *leaks);

/* [{"blocks", "bytes", "stack"}, ...]: the worst */
void fail_leaks__write(const struct fail_leaks *leaks, FILE *out);
/* What is no leak there is passed over; array may be NULL. The sums are the caller's to read. */
struct fail_leaks fail_leaks__read(const struct json_doc *doc, const struct json_value *array);

#endif /* FAIL_LEAKS_H */
