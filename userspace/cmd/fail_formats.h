/* SPDX-License-Identifier: BSD-2-Clause */
/* The forms fail_show.h has. All write nr paths, whose stacks have names, to out. */
#ifndef FAIL_FORMATS_H
#define FAIL_FORMATS_H

#include <stddef.h>

#include "cmd/fail_names.h"
#include "cmd/fail_show.h"

struct fail_shown {
	const struct fail_summary *summary;
	struct fail_path **paths; /* faults last */
	size_t nr;
	struct fail_names *names;
};

void fail_formats__json(const struct fail_shown *shown, FILE *out);
void fail_formats__junit(const struct fail_shown *shown, FILE *out);
/* all: every path with its stack, not only the faults. */
void fail_formats__text(const struct fail_shown *shown, bool all, FILE *out);

/* Half a sentence: "crash, signal 11 (Segmentation fault)". The caller frees it. */
char *fail_formats__verdict(const struct fail_path *path);

#endif /* FAIL_FORMATS_H */
