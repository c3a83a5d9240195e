/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of a call that is made to fail, outside of the recording. */
#ifndef PRELOAD_FAIL_REPORT_H
#define PRELOAD_FAIL_REPORT_H

#include <stdint.h>

struct fail_report {
	uint32_t pid;
	uint32_t number; /* of this failure in the process, from 1 */
	uint64_t path;	 /* id of the call path */
	const char *function;
	uint64_t bytes;
	const uintptr_t *frames; /* return addresses, innermost first */
	unsigned nr_frames;
};

/* Both write into a buffer of size bytes, 1024 at least, and leave out frames that do not fit.
 * Return how many bytes they wrote. They wait for the loader. */

/* For people: a block of lines. */
uint32_t fail_report__trace(const struct fail_report *report, char *to, uint32_t size);
/* For programs: a line of JSON. */
uint32_t fail_report__line(const struct fail_report *report, char *to, uint32_t size);

#endif /* PRELOAD_FAIL_REPORT_H */
