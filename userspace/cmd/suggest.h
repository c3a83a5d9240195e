/* SPDX-License-Identifier: BSD-2-Clause */
/* "Did you mean": the known word nearest to a mistyped one. */
#ifndef SUGGEST_H
#define SUGGEST_H

#include <stddef.h>

struct suggest {
	const char *word;    /* as typed */
	const char *nearest; /* NULL: nothing offered resembles it */
	size_t distance;
};

/* Offers a known word; the nearest of all offered stays in suggest->nearest. */
void suggest__offer(struct suggest *suggest, const char *known);

#endif /* SUGGEST_H */
