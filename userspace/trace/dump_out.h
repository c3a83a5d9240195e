/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes wire records of what an old libdumpalloc stream tells (trace/dumpalloc.h reads it): gives
 * modules, stacks and names their ids, objects an end, Python frames an address. Knows nothing of
 * bytes. What it keeps is bounded, whatever it is told.
 */
#ifndef DUMP_OUT_H
#define DUMP_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct dump_out;

/* One allocation and its call path. */
struct dump_alloc {
	uint64_t time_ns, addr, bytes;
	uint64_t frames[WIRE_MAX_FRAMES]; /* return addresses, innermost first */
	uint16_t nr_frames;
	bool cut; /* frames are missing */
};

struct dump_out *dump_out__new(void);
void dump_out__free(struct dump_out *out);

/* The oldest record not yet taken; NULL: none. It lives until the next call of any function but
 * this one. Before each of the functions below, all records must have been taken. */
const struct wire_head *dump_out__take(struct dump_out *out);

/* Who it is: texts need no NUL, and end at the first. started_ns: CLOCK_REALTIME. */
void dump_out__process(struct dump_out *out, uint32_t pid, uint64_t time_ns, uint64_t started_ns,
		       const char *name, size_t len);
/* An object whose address 0 is at `bias`. -E2BIG: there are too many. */
int dump_out__object(struct dump_out *out, uint64_t time_ns, uint64_t bias, const char *path,
		     size_t len);
/* The address that stands for a line of Python; 0: there are too many. */
uint64_t dump_out__python(struct dump_out *out, const char *name, size_t name_len, const char *file,
			  size_t file_len, uint32_t line);
/* -E2BIG: there are more stacks than ids. */
int dump_out__alloc(struct dump_out *out, const struct dump_alloc *alloc);
void dump_out__release(struct dump_out *out, uint64_t time_ns, uint64_t addr);
/* Neither the process nor the recording goes on. */
void dump_out__end(struct dump_out *out);

#endif /* DUMP_OUT_H */
