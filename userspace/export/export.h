/* SPDX-License-Identifier: BSD-2-Clause */
/* The forms a snapshot is written in: one file each. */
#ifndef EXPORT_H
#define EXPORT_H

#include <stdio.h>

#include "report/leaks.h"

/* mdump's leak blocks, then the totals; of each process under a heading where there are several. */
void leaks_text__write(const struct leaks_report *report, FILE *out);
/* A line a frame, as in the blocks. */
void leaks_text__write_frames(const struct leak_frame *frames, uint32_t nr_frames, bool cut,
			      FILE *out);
/* README.md, "JSON". */
void leaks_json__write(const struct leaks_report *report, FILE *out);

#endif /* EXPORT_H */
