/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that were made to fail, printed as they are told of. */
#ifndef FAIL_PRINT_H
#define FAIL_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/model.h"

struct wire_alloc;
struct failed_call;

/* Zero-initialise, but for json. */
struct fail_print {
	bool json; /* a line of JSON for each; else a paragraph of text */
	struct failed_call *waiting;
	size_t nr, capacity;
	uint64_t nr_printed;
};

/* The model has seen the record, and its stack. */
void fail_print__add(struct fail_print *print, const struct model *model,
		     const struct wire_alloc *alloc);
/* Looks up the names of what was added, and prints it to standard output. */
void fail_print__flush(struct fail_print *print, struct model *model);
void fail_print__clear(struct fail_print *print);

#endif /* FAIL_PRINT_H */
