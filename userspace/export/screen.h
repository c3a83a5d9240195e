/* SPDX-License-Identifier: BSD-2-Clause */
/* What text is written to: how wide it is, which characters it can show, and bars made of those. */
#ifndef SCREEN_H
#define SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SCREEN_MIN_COLUMNS 20
#define SCREEN_MAX_COLUMNS 1000

struct screen {
	FILE *out;
	unsigned columns; /* SCREEN_MIN_COLUMNS to SCREEN_MAX_COLUMNS */
	bool utf8;	  /* else ASCII only */
};

/* wanted: --width; 0: a terminal's own, or 80. */
struct screen screen__of(FILE *out, uint64_t wanted);

/* A line of nr characters that stand for heights from 0 to max; whatever is not 0 shows. */
void screen__spark(const struct screen *screen, const uint64_t *values, size_t nr, uint64_t max);
/* A horizontal bar of at most `columns` for value out of max, without an end of line. */
void screen__bar(const struct screen *screen, uint64_t value, uint64_t max, unsigned columns);

#endif /* SCREEN_H */
