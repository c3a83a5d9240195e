/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the callgrind exporter are called. */
#ifndef CALLGRIND_NAMES_H
#define CALLGRIND_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "report/report.h"

/* Of one process; NULL: it gets no files, as nothing is charged to it. */
struct callgrind_names {
	char *main;    /* slices are called as this, with more behind */
	char *samples; /* of the .samples file */
};

/*
 * One for each process of the report; the first always has names. path NULL: callgrind.out.PROG.PID
 * and PROG.PID.samples; else path (where several processes have names: path.PID) and that with
 * .samples behind. Of a pid that comes again: PID-2, PID-3... To be given to callgrind_names__free.
 */
struct callgrind_names *callgrind_names__make(const struct report *report, const char *path);
void callgrind_names__free(struct callgrind_names *names, size_t nr);

/* MAIN_slice_K_START-END, times in whole seconds. The caller frees it. */
char *callgrind_names__slice(const struct callgrind_names *names, uint64_t slice,
			     uint64_t length_s);

#endif /* CALLGRIND_NAMES_H */
