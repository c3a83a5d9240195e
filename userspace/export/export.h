/* SPDX-License-Identifier: BSD-2-Clause */
/* The forms a snapshot is written in: one file each. */
#ifndef EXPORT_H
#define EXPORT_H

#include <stdio.h>

#include "report/report.h"

/* mdump's leak blocks, then the totals; of each process under a heading where there are several. */
void leaks_text__write(const struct report *report, FILE *out);
/* README.md, "JSON". */
void leaks_json__write(const struct report *report, FILE *out);

#endif /* EXPORT_H */
